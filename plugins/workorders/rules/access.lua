-- Who may see and do what with a work order, as pure functions of a person and a row.

local M = {}

--- Returns what counts about the caller. `team_ids` is the list of teams that they are in.
function M.person(ctx, team_ids)
  local teams = {}
  for _, id in ipairs(team_ids) do
    teams[id] = true
  end
  return {
    user_id = ctx.actor.user_id,
    teams = teams,
    reads_all = ctx:can("workorders.read"),
    works = ctx:can("workorders.work"),
    updates = ctx:can("workorders.update"),
    assigns = ctx:can("workorders.assign"),
    deletes = ctx:can("workorders.delete"),
  }
end

--- Tells whether the work order is the person's: assigned to them, or to a team of theirs and
-- to nobody in particular.
function M.is_assignee(person, order)
  if order.assigned_to then
    return order.assigned_to == person.user_id
  end
  return order.team_id ~= nil and person.teams[order.team_id] == true
end

local function is_in_team(person, order)
  return order.team_id ~= nil and person.teams[order.team_id] == true
end

--- Tells whether the person may see the work order: all of them, one's own, or one's team's.
function M.can_read(person, order)
  return person.reads_all or M.is_assignee(person, order) or is_in_team(person, order)
end

-- Who may take each action. Accepting and rejecting is for those who will do the work; of two
-- members of a team, the slower one was allowed to, and hears that it has been done (409).
local ALLOWED = {
  accept = function(person, order)
    return person.works and (M.is_assignee(person, order) or is_in_team(person, order))
  end,
  work = function(person, order)
    return person.updates or (person.works and M.is_assignee(person, order))
  end,
  update = function(person) return person.updates end,
  assign = function(person) return person.assigns end,
  delete = function(person) return person.deletes end,
}
local RIGHT_FOR = {
  accept = "accept", reject = "accept", start = "work", hold = "work", resume = "work",
  complete = "work", verify = "update", cancel = "update", update = "update",
  assign = "assign", delete = "delete", remediate = "work", status = "work",
}

--- Tells whether the person may take the action on the work order.
function M.can(person, action, order)
  return ALLOWED[RIGHT_FOR[action]](person, order)
end

return M
