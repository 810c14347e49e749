-- What a tenant's own specs are told by what they call.
local context = require("core.context")
local plugin = require("core.plugin")
local system_routes = require("core.system_routes")
local uuid = require("core.uuid")
local specs = require("services.scripts.specs")

local RULES = [[
before("report.create", function(report, about)
  report.seen = about.user.role .. " " .. about.action .. " " .. tostring(about.user.name)
  about.user.role = "nobody"
end)
before("report.create", function(report, about)
  if about.current then report.was = about.current.status end
  if about.user.role == "nobody" or not about.id then reject("no") end
end)
on("report.created", function(event) log(event.report.title) end)
]]

describe("a spec", function()
  local ctx = context.system({ name = "test", tenant = { id = uuid.v7(), timezone = "UTC" } })

  setup(function()
    plugin.load(system_routes)
  end)

  -- What goes wrong in each line of a spec: "line message", or "ok".
  local function told(lines)
    for i, line in ipairs(lines) do
      lines[i] = ("it('%d', function() %s end)"):format(i, (line:gsub("\n", " ")))
    end
    local results, problems = specs.run(ctx, { { path = "rules/a.lua", content = RULES },
      { path = "spec/a_spec.lua", content = table.concat(lines, "\n") } })
    assert.is_nil(problems)
    local found = {}
    for i, result in ipairs(results) do
      local err = result.error
      assert.is_true(not err or err.file == "spec/a_spec.lua" and err.line == i, err and err.message)
      found[i] = err and err.message or "ok"
    end
    return found
  end

  it("says who asks, over what is usual", function()
    assert.same({ "ok", "ok", "ok" }, told({
      [[local made = rules.before("report.create", {}) assert.same({}, made.rejected)
        assert.equal("dispatcher report.create Somebody", made.data.seen)]],
      [[assert.same({ seen = "technician report.create nil", was = "open" }, rules.before("report.create", {},
        { user = { role = "technician", name = json.null }, current = { status = "open" } }).data)]],
      [[rules.on("report.created", { title = "x" })]],
    }))
  end)

  it("hears of names that there are not, and of what is no data", function()
    assert.same({
      "unknown event 'report.create' (did you mean 'report.created'?)",
      "unknown action 'report.created' (did you mean 'report.create'?)",
      "unknown capability 'report.get' (did you mean 'reports.get'?)",
      "unknown event 'nil'",
      "clock takes a time such as 2026-11-20T09:12:44Z, not 'nope'",
      "rules.on takes an event and a table of its data, not nothing",
      "rules.before takes an action and a table of its data, not nothing",
      "rules.before takes a table that tells what it is about, not a string",
      "no rule declares route nil nil",
      "no rule declares transition report:a:nil",
      "no rule declares every nil",
    }, told({
      [[rules.on("report.create", {})]], [[rules.before("report.created", {})]],
      [[answer("report.get", {})]], "rules.on()", [[clock("nope")]],
      [[rules.on("report.created", nil)]], [[rules.before("report.create")]],
      [[rules.before("report.create", {}, "me")]], "rules.route()", [[rules.guard("report", "a")]],
      "rules.every()",
    }))
  end)

  it("that is none says where", function()
    for text, message in pairs({ ["it('x')"] = "it takes a name and a function, not nothing",
      ["describe('x', 5)"] = "describe takes a name and a function, not a number" }) do
      local _, problems = specs.run(ctx, { { path = "spec/a_spec.lua", content = "\n" .. text } })
      assert.same({ message, "spec/a_spec.lua", 2 },
        { problems[1].message, problems[1].file, problems[1].line })
    end
  end)
end)
