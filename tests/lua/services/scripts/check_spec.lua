-- What the linter tells of an author's files, what differs between files, and how tools are bounded.
local context = require("core.context")
local plugin = require("core.plugin")
local system_routes = require("core.system_routes")
local task = require("core.task")
local uuid = require("core.uuid")
local child = require("services.scripts.child")
local diff = require("services.scripts.diff")
local lint = require("services.scripts.lint")
local names = require("services.scripts.names")
local paths = require("services.scripts.paths")
local process = require("services.scripts.process")

local ctx = context.system({ name = "test", tenant = { id = "tools" } })

local function problems(content, path)
  local list = {}
  for i, problem in ipairs(lint.run(ctx, { { path = path or "rules/a.lua", content = content } })) do
    list[i] = ("%s %d:%d %s"):format(problem.severity, problem.line, problem.column, problem.message)
  end
  return list
end

describe("the linter", function()
  it("knows an author's names, and no others", function()
    assert.same({}, problems([[
on_error = "deny"
before("report.create", function(report)
  if not report.title:find("x") then reject("title", "is missing") end
  local text = json.encode({ a = math.max(1, 2), b = bit.band(3, 1) })
  log(text, now(), time.add(now(), "1h"), budget())
end)
on("report.created", function(event) for _, v in ipairs(event) do log(tostring(v)) end end)
route("GET", "/x", function() return json({ 1 }, 200) end)]]))
    assert.same({
      "error 1:1 unknown name 'print'",
      "error 2:1 make 'x' local: a rule has no globals of its own",
      "error 3:1 unknown name 'os'",
      "error 4:1 accessing undefined field 'dump' of global 'string'",
      "error 5:1 unknown name 'ffi'",
      "error 6:1 'before' cannot be set: it belongs to the platform",
      "error 7:1 'encode' cannot be changed: it belongs to the platform",
      "error 8:1 unknown name 'pcall'",
    }, problems("print(1)\nx = 1\nos.exit()\nstring.dump(log)\nffi.C.x()\nbefore = 1\njson.encode = 1\n"
      .. "pcall(log)\n"))
  end)

  it("warns of what is unused, and does not mind style", function()
    assert.same({ "warning 1:7 unused variable 'x'" },
      problems("local x = 1\n" .. "on('report.created', function(event)   end)   \n"
        .. "-- " .. ("long "):rep(60) .. "\n"))
  end)

  it("names the place where a file does not compile", function()
    assert.same({ "error 2:7 expected identifier near '='" }, problems("local a\nlocal = 3\n"))
    assert.equal(1, #problems("\27LJ\2 bytecode"))
  end)

  it("does not look at specs, notes and data", function()
    for _, path in ipairs({ "spec/a_spec.lua", "a.md", "a.json" }) do
      assert.same({}, problems("x = = 1", path))
    end
  end)

  it("looks at a file once, as long as it stays the same", function()
    local content, original, runs = "local unused = 'once'\n", child.run, 0
    child.run = function(...)
      runs = runs + 1
      return original(...)
    end
    local first = problems(content)
    assert.same(first, problems(content))
    assert.equal(1, runs)
    problems(content .. "\n")
    assert.same(first, problems(content, "rules/b.lua"))
    assert.equal(3, runs)
    child.run = original
  end)

  it("is quiet where its author says so", function()
    assert.same({}, problems("local x = 1 -- luacheck: ignore\n"))
  end)
end)

describe("a tool", function()
  it("ends at its bounds, and leaves nothing behind", function()
    local config, fs = require("core.config"), require("core.fs")
    local code, output = child.run(ctx, { "sh", "-c", "cat a/b.txt; env | grep -c FIXXIT; exit 3" },
      { { path = "a/b.txt", content = "hello\n" } })
    assert.same({ 3, "hello\n0\n" }, { code, output })
    assert.is_nil((child.run(ctx, { "sh", "-c", "kill -9 $$" }, {})))
    assert.is_nil((child.run(ctx, { "sh", "-c", "head -c 9000000 /dev/zero >x" }, {})))
    assert.same({}, fs.list(config.get().server.data .. "/tmp") or {})
  end)
end)

describe("tools", function()
  it("run two at a time, and each has its turn", function()
    local marker = os.tmpname()
    local most, done = 0, 0
    for _ = 1, 6 do
      task.spawn(function()
        local _, output = child.run(ctx, { "sh", "-c",
          ("echo x >>%s.$$; ls %s.* 2>/dev/null | wc -l; sleep 0.05; rm %s.$$"):format(marker, marker, marker) }, {})
        most, done = math.max(most, tonumber(output)), done + 1
      end)
    end
    local ok, err = pcall(child.run, ctx, { "true" }, {})
    assert.is_false(ok) -- the seventh of a tenant
    assert.equal("SERVICE_UNAVAILABLE", err.code)
    for _ = 1, 200 do
      if done == 6 then
        break
      end
      task.sleep(50)
    end
    os.remove(marker)
    assert.equal(6, done)
    assert.is_true(most <= 2, tostring(most))
  end)
end)

describe("a diff", function()
  it("is unified, per file", function()
    local changes = diff.of(ctx,
      { { path = "a.lua", content = "one\ntwo\n" }, { path = "gone.md", content = "x" }, { path = "same", content = "s" } },
      { { path = "a.lua", content = "one\nthree\n" }, { path = "r/new.lua", content = "diff -ruN a b/x\n" },
        { path = "same", content = "s" } })
    assert.same({
      { path = "a.lua", change = "changed",
        diff = "--- a/a.lua\n+++ b/a.lua\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n" },
      { path = "gone.md", change = "removed",
        diff = "--- a/gone.md\n+++ b/gone.md\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n" },
      { path = "r/new.lua", change = "added",
        diff = "--- a/r/new.lua\n+++ b/r/new.lua\n@@ -0,0 +1 @@\n+diff -ruN a b/x\n" },
    }, changes)
    assert.same({}, diff.of(ctx, {}, {}))
    assert.equal("", diff.of(ctx, {}, { { path = "a.lua", content = "" } })[1].diff)
  end)
end)

describe("a path", function()
  it("says what a file is", function()
    assert.is_nil(paths.problem("rules/electrical-2_b.lua"))
    assert.truthy(paths.problem("../x.lua"))
    assert.same({ true, false, false }, { paths.is_rule("a.lua"), paths.is_rule("a_spec.lua"), paths.is_rule("a.md") })
  end)
end)

describe("the linter's names", function()
  setup(function()
    plugin.load(system_routes)
  end)

  it("are those that the sandbox has", function()
    local uses, tenant_id = {}, uuid.v7()
    for name, fields in pairs(names.all()) do
      if type(fields) == "table" then
        for _, field in ipairs(fields) do
          uses[#uses + 1] = ("local _ = %s.%s"):format(name, field)
        end
      else
        uses[#uses + 1] = ("local _ = %s"):format(name)
      end
    end
    table.sort(uses)
    for _, use in ipairs(uses) do
      local declared, problem = process.declared(tenant_id, { { path = "a.lua", content = use } })
      assert.truthy(declared, use .. ": " .. tostring(problem and problem.message))
    end
  end)
end)

describe("a check", function()
  it("believes a process nothing but texts and places", function()
    local check = require("services.scripts.check")
    local declared = process.declared
    process.declared = function()
      return { hooks = {}, problems = {
        { file = {}, line = 1e300, column = -5, severity = {}, message = ("é"):rep(2000) },
        { file = "a.lua", line = "7", message = false },
      } }
    end
    local result = check.run(ctx, { { path = "a.lua", content = "" } })
    process.declared = declared
    assert.is_false(result.ok)
    assert.truthy(require("core.json").encode(result.problems))
    for _, problem in ipairs(result.problems) do
      assert.same({ 0, 1, "error" }, { problem.line, problem.column, problem.severity })
      assert.is_true(#problem.message <= 500)
    end
    assert.truthy(result.problems[2].message:find("^[\195\169]+$"))
  end)
end)

describe("a check of arguments", function()
  local arguments = require("services.scripts.arguments")

  setup(function()
    plugin.load(system_routes)
  end)

  local function found(content)
    local list = {}
    for i, problem in ipairs(arguments.problems(ctx, { { path = "rules/a.lua", content = content } })) do
      list[i] = ("%d:%d %s"):format(problem.line, problem.column, problem.message)
    end
    return list
  end

  it("finds names that there are not, those that are missing, and what is too much", function()
    assert.same({
      "2:32 notify has no 'titel' (did you mean 'title'?)",
      "2:3 notify needs 'title'",
      "5:47 workorders.update: changes has no 'prio'",
      "6:3 reports.get takes 1 arguments, not 2",
      "7:3 reports.get takes its arguments by position: reports.get(id)",
      "8:3 workorders.list takes one table of named arguments",
      "9:37 http.fetch: options has no 'metod' (did you mean 'method'?)",
    }, found([==[
on("report.created", function(event)
  notify{ role = "dispatcher", titel = "x" }
  notify({ role = "dispatcher", title = "x", data = { anything = function() local a, b = 1, 2 return a end } })
  --[[ notify{ nothing = 1 } ]] local text = "notify{ nothing = 1 }" .. [[notify{ nothing = 1 }]]
  workorders.update(event.id, { title = text, prio = "urgent" })
  reports.get(event.id, 5)
  reports.get{ id = event.id }
  workorders.list({}, {})
  http.fetch("https://a.example", { metod = "POST", ["json"] = { a = 1 } })
end)]==]))
  end)

  it("finds values that cannot be, and what is missing", function()
    assert.same({
      "1:1 notify takes one table of named arguments",
      "2:3 notify takes one table of named arguments",
      "3:1 workorders.create: title must be given when there is no report",
      "4:1 workorders.create: priority must be one of low, normal, high, urgent; "
        .. "title must be given when there is no report",
      "5:9 workorders.create: title must be text",
      "6:1 reports.get: id is required",
      "7:1 reports.get: id must be text",
      "8:1 kv.set: value is required",
      "9:1 http.fetch: url is required",
      "10:1 notify: user is required: or users, role, roles, team or teams",
      "11:1 notify: channels[1] must be one of in_app, email, sms, push",
      "12:1 reports.create: location.latitud is not known",
      "15:3 kv.incr: by must be a number",
      "16:1 reports.list: limit must be between 1 and 100",
      "17:1 notify: channels must have 1 to 4 entries",
      "18:1 reports.get: id must be a UUID",
      "19:6 workorders.update: changes is required",
      "20:1 workorders.assign: to.userId either userId or team must be given",
      "21:1 reject: field is required",
      "22:1 reject: message must be text",
    }, found([==[
notify(5)
  notify "x"
workorders.create()
workorders.create{ priority = "nope" }
local a=workorders.create({ title = 5, team = a })
reports.get()
reports.get(5)
kv.set("a")
http.fetch()
notify{ title = "größer" }
notify{ title = name, role = "owner", channels = { "sms", [[letter]]; } }
reports.create{ title = "A lamp", category = "x", location = { latitud = -1.5, longitude = x } }
--[[
]] do
  kv.incr("a", true) end
reports.list{ limit = -0x10 }
notify{ role = "owner", title = "x", channels = {} }
reports.get "x"
_ = (workorders.update(a.id))
workorders.assign(a.id, {})
reject()
reject("field", 5) reject("message") reject("field", a.message) reject(a.field, nil)]==]))
  end)

  it("finds changes where a hook may only read", function()
    assert.same({ "3:3 kv.set changes something: a before hook may not" }, found([[
before("report.create", function(report)
  local seen = kv.get("seen")
  kv.set("seen", seen)
end)
on("report.created", function() kv.set("seen", 1) end)]]))
  end)

  it("leaves alone what it cannot know, and what is the file's own", function()
    assert.same({}, found([[
local function notify(titel) return titel end
local mine = { reports = { get = function() end } }
on("report.created", function(event)
  notify("x", "y")
  mine.reports.get(1, 2, 3)
  local fields = { title = "x" }
  workorders.create(fields)
  workorders.create{ [event.key] = 1, unpack(event.list) }
  reports.list{ status = { "submitted" }, limit = event.limit == 1 and 2 or 3 }
  if event.report then workorders.start(event.id) end
  notify{ title = event.title, role = event.role, channels = { event.channel } }
  notify{ title = "a\\n" .. event.title, unpack(event.list) }
  notify(event.message)
  reports.get(event.ids())
  workorders.update(unpack(event.list))
  workorders.update(...)
  workorders.assign(event.id, event.to)
  http.fetch("https://a.example", { headers = { a = event.header } })
  reports.list{ status = { event.status, "submitted" }, tag = "a\\"" }
  reports.list{ status = { "submitted", nil }, severity = {} }
  kv.set("a", nil == event and {} or 5)
  kv.set("b", { 1, "x", { y = false } })
  workorders.complete(event.id)
end)
local function mine_too(kv, ...) kv.set() end
for _, reports in pairs(mine) do reports.get() end]]))
    assert.same({}, found(""))
    assert.same({}, found("--[==["))
  end)

  it("takes any text, of any size, in its time", function()
    found("notify{ 'unfinished")
    found("notify{ [[ unfinished")
    found("kv.")
    found(("("):rep(60000))
    found(("notify{"):rep(8000))
    found(('"\\'):rep(30000))
  end)
end)
