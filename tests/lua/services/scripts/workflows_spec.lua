-- The states that rules add: which of them a thing goes by, and what its guards say.
local active = require("services.scripts.active")
local context = require("core.context")
local errors = require("core.errors")
local hooks = require("services.scripts.hooks")
local json = require("core.json")
local state_machine = require("core.state_machine")
local store = require("services.scripts.store")
local sys = require("core.sys")
local workflows = require("services.scripts.workflows")

local base = state_machine.new({ name = "thing", initial = "new", states = { "new", "done" },
  transitions = { { from = { "new" }, to = "done", action = "finish" } } })

local function transition(from, to, guarded, line)
  return { kind = "transition", name = "thing:" .. from .. ":" .. to, of = "thing", from = from,
    to = to, guarded = guarded or false, file = "rules/a.lua", line = line or 1, id = line or 1 }
end

describe("the workflow of a thing", function()
  local ctx, running, kept, verdicts, originals, tenant_number = nil, nil, nil, nil, nil, 0

  before_each(function()
    tenant_number = tenant_number + 1 -- what is kept is kept per tenant
    ctx = context.new({ tenant = { id = "t" .. tenant_number },
      actor = { kind = "user", user_id = "u", name = "Tom", role = "technician", permissions = {} } })
    running, kept, verdicts = nil, {}, {}
    originals = { find = active.find, release = active.release, run = hooks.run,
      by_number = store.find_release_by_number, role = sys.role }
    sys.role = function() return "http" end -- a command asks no rules
    active.find = function() return running end
    active.release = function(_, id) return kept[id] end
    store.find_release_by_number = function(_, number)
      return kept[number] and { id = number }
    end
    hooks.run = function(_, release, hook, arguments, options)
      local outcome = hook.answers or { status = "ok", value = hook.agrees }
      verdicts[#verdicts + 1] = { release = release, line = hook.line, arguments = arguments,
        status = options.status(outcome) }
      return outcome
    end
  end)

  after_each(function()
    active.find, active.release = originals.find, originals.release
    hooks.run, store.find_release_by_number = originals.run, originals.by_number
    sys.role = originals.role
  end)

  local function raised(code, fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(err, code), tostring(err))
    return err
  end

  it("is the product's where no rule adds to it", function()
    assert.equal(base, workflows.of(ctx, "thing", base, nil).machine)
    running = { id = 7, number = 7, hooks = { transition("new", "odd") } }
    assert.equal(base, workflows.of(ctx, "thing", base, nil).machine) -- opened before
    assert.is_nil(workflows.opening(ctx, "other", "e"))
    assert.equal(7, workflows.opening(ctx, "thing", "e"))
  end)

  it("is that of the release it is pinned to, read once", function()
    kept[3] = { id = 3, number = 3, hooks = { transition("new", "odd"), transition("odd", "done") } }
    running = { id = 4, number = 4, hooks = {} }
    local machine = workflows.of(ctx, "thing", base, 3).machine
    assert.same({ "new", "done", "odd" }, machine.states)
    assert.is_true(machine:can("odd", "done"))
    kept[3] = nil
    assert.equal(machine, workflows.of(ctx, "thing", base, 3).machine)
    assert.equal(base, workflows.of(ctx, "thing", base, 99).machine) -- no such release
  end)

  it("is that of development while that runs, for what is pinned to no other", function()
    running = { id = "dev", hooks = { transition("new", "odd") } }
    assert.is_true(workflows.of(ctx, "thing", base, nil).machine:has("odd"))
    assert.is_nil(workflows.opening(ctx, "thing", "e"))
    running = { id = "dev", hooks = { transition("new", "even") } } -- saved again
    assert.is_false(workflows.of(ctx, "thing", base, nil).machine:has("odd"))
  end)

  it("tells the states that rules add, of what runs and what is asked for", function()
    kept[3] = { id = 3, number = 3, hooks = { transition("new", "odd") } }
    running = { id = 4, number = 4, hooks = { transition("new", "even") },
      canary = { id = 5, number = 5, hooks = { transition("even", "odder") } } }
    assert.same({ "even", "odder" }, workflows.states(ctx, "thing", base))
    assert.same({ "even", "odder", "odd" }, workflows.states(ctx, "thing", base, { 3 }))
  end)

  local function ask(...)
    running = { id = "dev", hooks = { ... } }
    local workflow = workflows.of(ctx, "thing", base, nil)
    return workflows.ask, ctx, workflow, "new", "odd", { id = "e", name = "thing", data = { a = 1 } }
  end

  it("asks the guards of a move, of which one must agree", function()
    local no, yes = transition("new", "odd", true, 3), transition("new", "odd", true, 4)
    no.agrees, yes.agrees = false, true
    local fn, c, w, from, to, thing = ask(no, yes)
    fn(c, w, from, to, thing)
    assert.same({ 3, 4 }, { verdicts[1].line, verdicts[2].line })
    assert.same({ "rejected", "ok" }, { verdicts[1].status, verdicts[2].status })
    assert.same({ { a = 1 }, { kind = "user", id = "u", name = "Tom", role = "technician" } },
      verdicts[1].arguments)
    assert.is_true(workflows.is_guarded(w, "new", "odd"))
    assert.is_false(workflows.is_guarded(w, "new", "done"))
    local err = raised("REJECTED_BY_RULE", ask(no))
    assert.same({ 422, "rules/a.lua:3" }, { err.status, err.fields.rule })
    verdicts = {}
    fn, c, w, from, to, thing = ask(no, transition("new", "odd", false, 5))
    fn(c, w, from, to, thing) -- one that asks nothing makes the others idle
    assert.same({}, verdicts)
  end)

  it("refuses what a guard that fails would have had to allow", function()
    local broken = transition("new", "odd", true, 3)
    broken.answers = { status = "limit",
      error = { code = "LIMIT_CPU", message = "m", file = "rules/b.lua", line = 9 } }
    local err = raised("RULE_FAILED", ask(broken))
    assert.same({ 422, "rules/b.lua:9" }, { err.status, err.fields.rule })
    broken.answers = { status = "ok", value = json.null }
    raised("REJECTED_BY_RULE", ask(broken))
    assert.same({ "limit", "rejected" }, { verdicts[1].status, verdicts[2].status })
  end)
end)
