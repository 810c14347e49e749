local access = require("plugins.workorders.rules.access")
local assignment = require("plugins.workorders.rules.assignment")
local states = require("plugins.workorders.rules.states")

describe("the life of a work order", function()
  it("takes each action only where it belongs", function()
    assert.equal("accepted", states.target("accept", { status = "assigned" }))
    assert.equal("in_progress", states.target("start", { status = "accepted" }))
    assert.equal("in_progress", states.target("start", { status = "scheduled" }))
    assert.equal("pending", states.target("reject", { status = "assigned" }))
    assert.is_nil(states.target("accept", { status = "on_hold", held_from = "accepted" }))
    assert.is_nil(states.target("start", { status = "on_hold", held_from = "in_progress" }))
    assert.is_nil(states.target("verify", { status = "in_progress" }))
    assert.is_nil(states.target("assign", { status = "in_progress" }))
    assert.is_nil(states.target("cancel", { status = "completed" }))
  end)

  it("resumes where it was held", function()
    for _, from in ipairs({ "accepted", "scheduled", "in_progress" }) do
      assert.equal("on_hold", states.target("hold", { status = from }))
      assert.equal(from, states.target("resume", { status = "on_hold", held_from = from }))
    end
  end)

  it("goes by a tenant's own states where its rules lead", function()
    local machine = states.machine:extended({ { from = "accepted", to = "parts" },
      { from = "parts", to = "in_progress" }, { from = "parts", to = "on_hold" } })
    assert.same({ "assigned", "scheduled", "in_progress", "on_hold", "cancelled", "parts" },
      states.allowed({ status = "accepted" }, machine))
    assert.equal("in_progress", states.target("start", { status = "parts" }, machine))
    assert.equal("on_hold", states.target("hold", { status = "parts" }, machine))
    assert.is_nil(states.target("cancel", { status = "parts" }, machine))
    assert.is_nil(states.target("start", { status = "parts" }, states.machine))
    local held = { status = "on_hold", held_from = "parts" }
    assert.equal("parts", states.target("resume", held, machine))
    assert.same({ "cancelled", "parts" }, states.allowed(held, machine))
    assert.equal("resume", states.action_to(held, "parts", machine))
    assert.is_nil(states.action_to({ status = "accepted" }, "parts", machine))
    assert.equal("start", states.action_to({ status = "parts" }, "in_progress", machine))
    assert.equal("complete", states.action_to({ status = "in_progress" }, "completed", machine))
  end)

  it("is all done when the last open one is", function()
    assert.is_true(states.is_all_done({ "completed", "verified", "cancelled" }))
    assert.is_false(states.is_all_done({ "completed", "in_progress" }))
    assert.is_false(states.is_all_done({ "cancelled" }))
    assert.is_false(states.is_all_done({}))
  end)
end)

describe("who may do what with a work order", function()
  local tom = { user_id = "tom", works = true, teams = { roads = true } }
  local dana = { user_id = "dana", works = true, updates = true, assigns = true,
    reads_all = true, teams = {} }

  it("shows technicians what is theirs and their team's", function()
    assert.is_true(access.can_read(tom, { assigned_to = "tom" }))
    assert.is_true(access.can_read(tom, { team_id = "roads" }))
    assert.is_false(access.can_read(tom, { assigned_to = "tara" }))
    assert.is_false(access.can_read(tom, { team_id = "parks" }))
    assert.is_false(access.can_read(tom, {}))
    assert.is_true(access.can_read(dana, {}))
  end)

  it("lets only the assignee or a member of the team accept", function()
    assert.is_true(access.can(tom, "accept", { assigned_to = "tom" }))
    assert.is_true(access.can(tom, "accept", { team_id = "roads" }))
    assert.is_false(access.can(dana, "accept", { assigned_to = "tom" }))
    assert.is_true(access.can(tom, "accept", { assigned_to = "tara", team_id = "roads" }))
    assert.is_false(access.can(tom, "start", { assigned_to = "tara", team_id = "roads" }))
  end)

  it("lets dispatchers do what technicians do otherwise, and verify", function()
    assert.is_true(access.can(dana, "complete", { assigned_to = "tom" }))
    assert.is_true(access.can(dana, "verify", { assigned_to = "tom" }))
    assert.is_not_true(access.can(tom, "verify", { assigned_to = "tom" }))
  end)
end)

describe("assigning at once", function()
  local order = { status = "assigned", assigned_to = "tom", assigned_by = "dana",
    assigned_at_ms = 1000 }

  local function is_race(request)
    request.user_id = request.user_id or "adam"
    request.now_ms = request.now_ms or 3000
    return assignment.is_race(order, request)
  end

  it("is a race within five seconds of another person's", function()
    assert.is_true(is_race({}))
    assert.is_false(is_race({ now_ms = 6000 }))
    assert.is_false(is_race({ user_id = "dana" }))
  end)

  it("is none when it is forced, or the caller knows the version", function()
    assert.is_false(is_race({ force = true }))
    assert.is_false(is_race({ knows_version = true }))
  end)

  it("asks whom one means to replace, when one says so", function()
    assert.is_false(is_race({ expected = "tom" }))
    assert.is_true(is_race({ expected = "tara", now_ms = 60000 }))
    assert.is_true(is_race({ expected = false, now_ms = 60000 }))
  end)

  it("is none in a state that came after the assignment", function()
    local rejected = { status = "pending", assigned_by = "dana", assigned_at_ms = 1000 }
    assert.is_false(assignment.is_race(rejected, { user_id = "adam", now_ms = 2000 }))
  end)
end)
