local errors = require("core.errors")
local state_machine = require("core.state_machine")

local function machine()
  return state_machine.new({
    name = "report",
    initial = "submitted",
    states = { "submitted", "acknowledged", "closed" },
    transitions = {
      { from = { "submitted" }, to = "acknowledged", action = "acknowledge" },
      { from = { "submitted", "acknowledged" }, to = "closed" },
    },
  })
end

describe("a state machine", function()
  it("allows what its table says", function()
    local m = machine()
    assert.same({ "acknowledged", "closed" }, m:allowed("submitted"))
    assert.is_true(m:can("submitted", "closed"))
    assert.is_false(m:can("closed", "submitted"))
    assert.is_false(m:can("submitted", "nowhere"))
    assert.is_false(m:can("nowhere", "closed"))
    assert.equal("acknowledge", m:action("submitted", "acknowledged"))
    assert.is_nil(m:action("submitted", "closed"))
  end)

  it("refuses the rest with what would be allowed", function()
    local ok, err = pcall(function()
      machine():check("acknowledged", "submitted")
    end)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "INVALID_TRANSITION"))
    assert.equal(409, err.status)
    assert.same({ "closed" }, err.details[1].allowed)
  end)

  it("can be extended, and stays what it was", function()
    local base = machine()
    local more = base:extended({ { from = "acknowledged", to = "waiting" },
      { from = "waiting", to = "closed" }, { from = "submitted", to = "acknowledged" } })
    assert.same({ "submitted", "acknowledged", "closed", "waiting" }, more.states)
    assert.same({ "closed", "waiting" }, more:allowed("acknowledged"))
    assert.same({ "closed" }, more:allowed("waiting"))
    assert.equal("acknowledge", more:action("submitted", "acknowledged"))
    assert.is_nil(more:action("acknowledged", "waiting"))
    assert.is_false(base:has("waiting"))
    assert.same({ "closed" }, base:allowed("acknowledged"))
  end)

  it("names no state that it does not have", function()
    assert.has_error(function()
      state_machine.new({ name = "x", initial = "a", states = { "a" },
        transitions = { { from = { "a" }, to = "b" } } })
    end)
  end)
end)
