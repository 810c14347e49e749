-- When one assignment may not follow another: two dispatchers must not overrule each other
-- unseen.

local M = {}

local RACE_MS = 5000

--- Tells whether assigning now would overrule another person's assignment unseen.
-- @param order the locked row, `assigned_at_ms` among its fields
-- @param request {expected = user or team id or false when not said, force, user_id, now_ms,
--   knows_version = true when the caller's If-Match was checked}
function M.is_race(order, request)
  if request.force or request.knows_version then
    return false
  end
  if request.expected ~= nil then
    return request.expected ~= (order.assigned_to or order.team_id or false)
  end
  return order.status == "assigned" and order.assigned_by ~= request.user_id
    and order.assigned_at_ms ~= nil and request.now_ms - order.assigned_at_ms < RACE_MS
end

return M
