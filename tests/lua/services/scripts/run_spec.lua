-- Runs of rules, in processes of their own: what they are given, what they ask for, how they end,
-- and what they do once.
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local plugin = require("core.plugin")
local registry = require("core.registry")
local s = require("core.schema")
local sys = require("core.sys")
local system_routes = require("core.system_routes")
local task = require("core.task")
local uuid = require("core.uuid")
local before = require("services.scripts.before")
local hooks = require("services.scripts.hooks")
local keys = require("services.scripts.keys")
local limits = require("services.scripts.limits")
local listeners = require("services.scripts.listeners")
local persons = require("services.persons")
local process = require("services.scripts.process")
local sandboxes = require("tests.support.sandboxes")

local system = context.system({ name = "test" })
local RULE = "rules/a.lua"

local function new_tenant()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
    id, "t" .. id:gsub("%-", ""))
  return { id = id, timezone = "UTC", settings = {} }
end

-- What rules can ask for here.
local asked, counted, known, hired
local CAPABILITIES = {
  { name = "t.get", parameters = { "id", "what" },
    arguments = s.object({ id = s.string({ min = 2 }), what = s.string({ optional = true }) }),
    run = function(_, arguments)
      table.insert(asked, arguments)
      return { id = arguments.id, none = json.null, list = json.array({ 1, 2 }) }
    end },
  { name = "t.write", writes = true, arguments = s.object({ title = s.string({}) }),
    run = function(ctx, arguments)
      assert(ctx.tx)
      db.after_commit(ctx, function() -- what is rolled back was not done
        table.insert(asked, arguments.title)
      end)
      return { id = "made " .. #asked + 1, by = ctx.actor.name }
    end,
    made_up = function(arguments)
      return { id = "made up " .. arguments.title, title = arguments.title }
    end },
  { name = "t.change", writes = true, parameters = { "id", "title" },
    arguments = s.object({ id = s.string(), title = s.string({ optional = true }) }),
    run = function() end,
    made_up = function(arguments)
      return { id = arguments.id, title = arguments.title or json.null }
    end },
  { name = "t.outside", outside = true, arguments = s.object({ to = s.string({}) }),
    run = function(ctx, arguments, call)
      assert(not ctx.tx)
      table.insert(asked, arguments.to .. " " .. call.key)
      return { status = #asked }
    end },
  { name = "t.count", arguments = s.object({ of = s.string({ optional = true }) }),
    run = function()
      counted = counted + 1
      return tostring(counted)
    end },
  { name = "t.many", arguments = s.object({ of = s.array({}), by = s.list({ optional = true }) }),
    run = function(_, arguments)
      return json.encode(arguments)
    end },
  { name = "t.fail", arguments = s.object({ how = s.string({}) }),
    run = function(_, arguments)
      if arguments.how == "typed" then
        errors.raise("CONFLICT", "somebody was faster")
      end
      error("a bug of ours")
    end },
  { name = "t.wait", arguments = s.object({ ms = s.integer({}) }),
    run = function(_, arguments)
      task.sleep(arguments.ms)
    end },
  { name = "t.person", arguments = s.object({}),
    run = function() return known end },
  { name = "t.hire", writes = true, arguments = s.object({}),
    run = function() return hired end },
  { name = "t.large", arguments = s.object({ bytes = s.integer({}) }),
    run = function(_, arguments)
      return ("x"):rep(arguments.bytes)
    end },
}

describe("a run", function()
  local tenant, ctx

  setup(function()
    plugin.load(system_routes)
    for _, entry in ipairs(CAPABILITIES) do
      registry.capabilities[entry.name] = entry
    end
    tenant = new_tenant()
    ctx = context.system({ name = "test", tenant = tenant })
  end)

  teardown(function()
    for _, entry in ipairs(CAPABILITIES) do
      registry.capabilities[entry.name] = nil
    end
  end)

  before_each(function()
    asked, counted = {}, 0
  end)

  local function release_of(text)
    local files = { { path = RULE, content = text } }
    local declared, problem = process.declared(tenant.id, files)
    assert(declared, problem and json.encode(problem))
    assert.same({}, { unpack(declared.problems) })
    return { name = "7", number = 7, tenant_id = tenant.id, files = files,
      hooks = keys.give(declared.hooks) }
  end

  -- Runs the first hook of a text.
  local function run(text, options, ...)
    local release = type(text) == "table" and text or release_of(text)
    options = options or {}
    options.quiet = true
    return hooks.run(ctx, release, release.hooks[1], { ... }, options)
  end

  local function on(body, options)
    return run('on("report.created", function(event)\n' .. body .. "\nend)", options,
      { id = "e", event = "report.created", resourceType = "report", data = { title = "A lamp" } })
  end

  it("gets its arguments, and asks for what it may with names and by position", function()
    local outcome = on([[
local found = t.get("id", "what")
t.write{ title = event.report.title .. found.id .. #found.list .. tostring(found.none) }]])
    assert.is_nil(outcome.error)
    assert.same({ { id = "id", what = "what" }, "A lampid2nil" }, asked)
    assert.same({ "ok", 2, 1 }, { outcome.status, outcome.calls, outcome.writes })
    assert.truthy(outcome.cpu_us > 0 and outcome.memory > 0)
  end)

  it("may give an empty table where a list is wanted", function()
    local outcome = on("log(t.many{ of = {}, by = {} }) log(t.many{ of = json.array({}) })")
    assert.same({ by = {}, of = {} }, json.decode(outcome.log[1]))
    assert.equal('{"of":[]}', outcome.log[2])
    assert.matches("of must be a list", on("t.many{ of = { a = 1 } }").error.message)
  end)

  -- What an author is told: the body of a rule, whose first line is line 2, and the error.
  local MISTAKES = {
    ["an unknown name"] = { "reprots.create()", "SCRIPT_ERROR", "unknown name 'reprots'", 2 },
    ["a misspelt call"] = { "\nt.gte('id')", "SCRIPT_ERROR",
      "unknown name 't.gte' %(did you mean 't.get'%?%)", 3 },
    ["a global"] = { "x = 1", "SCRIPT_ERROR", "'x' is not declared: make it local", 2 },
    ["a library that is written to"] = { "string.len = 1", "SCRIPT_ERROR", ".", 2 },
    ["a table of calls that is written to"] = { "t.get = 1", "SCRIPT_ERROR",
      "'t.get' cannot be changed", 2 },
    ["wrong arguments"] = { "t.get('x')", "VALIDATION_ERROR", "t.get: id must have at least 2", 2 },
    ["too many arguments"] = { "t.get('id', 'a', 'b')", "SCRIPT_ERROR",
      "t.get takes 2 arguments, not 3", 2 },
    ["unknown arguments"] = { "t.write{ title = 'a', titel = 'b' }", "VALIDATION_ERROR",
      "t.write: titel is not known", 2 },
    ["no table of arguments"] = { "t.write('a')", "SCRIPT_ERROR", "takes one table", 2 },
    ["an error of its own"] = { "\n\nerror('mine')", "SCRIPT_ERROR", "mine", 4 },
    ["a refusal of ours"] = { "t.fail{ how = 'typed' }", "CONFLICT", "somebody was faster", 2 },
    ["a bug of ours"] = { "t.fail{ how = 'bug' }", "INTERNAL", "^Internal error$", 2 },
    ["an answer that is too large"] = { "t.large{ bytes = 200000 }", "LIMIT_INPUT", "too large", 2 },
    ["nothing where a table should be"] = { "\nlocal x = event.nothing.there", "SCRIPT_ERROR",
      "^attempt to index field 'nothing'", 3 },
    ["arithmetic on a text"] = { "local x = 1\nreturn x + 'y'", "SCRIPT_ERROR",
      "^attempt to perform arithmetic", 3 },
    ["a hook in a hook"] = { "on('report.created', print)", "SCRIPT_ERROR", ".", 2 },
    ["reject outside of before"] = { "reject('no')", "SCRIPT_ERROR", "before hook only", 2 },
    ["an endless loop"] = { "\nwhile true do end", "LIMIT_CPU", "^limit: cpu 500 ms at rules/a.lua:3$", 3 },
  }
  for what, expected in pairs(MISTAKES) do
    it("tells of " .. what .. " with file and line", function()
      local outcome = on(expected[1])
      assert.equal(expected[2], outcome.error and outcome.error.code, json.encode(outcome.error or {}))
      assert.matches(expected[3], outcome.error.message)
      assert.same({ RULE, expected[4] }, { outcome.error.file, outcome.error.line })
      assert.equal(expected[2]:find("^LIMIT_") and "limit" or "error", outcome.status)
    end)
  end

  it("has so many calls and changes, and so much time", function()
    local hook = limits.of({}, "before")
    local wall_ms = hook.wall_ms
    finally(function()
      hook.wall_ms = wall_ms
    end)
    hook.wall_ms = 20 * wall_ms -- twenty calls take long where each collects all garbage
    local outcome = run([[
before("report.create", function()
  for i = 1, 30 do
    t.get("id")
  end
end)]], nil, {}, {})
    assert.equal("limit: calls 20 at rules/a.lua:3", outcome.error.message)
    assert.equal(20, #asked)
    hook.wall_ms = wall_ms
    outcome = on("for i = 1, 60 do t.write{ title = 'x' } end")
    assert.equal("limit: calls 50 changes at rules/a.lua:2", outcome.error.message)
    outcome = run([[
before("report.create", function()
  t.wait{ ms = 1000 }
end)]], nil, {}, {})
    assert.same({ "limit", "LIMIT_WALL" }, { outcome.status, outcome.error.code })
    assert.equal("limit: wall 250 ms at rules/a.lua:1", outcome.error.message)
    outcome = run('before("report.create", function() end)', nil, { text = ("x"):rep(200000) }, {})
    assert.equal("LIMIT_INPUT", outcome.error.code)
    outcome = run('before("report.create", function(d) d.x = ("x"):rep(60000) d.y = d.x end)', nil,
      {}, {})
    assert.equal("LIMIT_OUTPUT", outcome.error.code)
  end)

  it("is warned of a limit that is near", function()
    local outcome = on("for i = 1, 45 do t.write{ title = 'x' } end")
    assert.same({ "writes 45 of 50" }, { unpack(outcome.warnings) })
  end)

  it("notes its changes in a dry run and goes on with made-up answers", function()
    local outcome = on([[
local one = t.write{ title = "one" }
t.get(one.id)
t.outside{ to = one.id }]], { dry = {} })
    assert.is_nil(outcome.error)
    assert.same({}, asked)
    assert.same({ { call = "t.write", arguments = { title = "one" }, file = RULE, line = 2 },
      { call = "t.outside", arguments = { to = "made up one" }, file = RULE, line = 4 } },
      { unpack(outcome.actions) })
  end)

  it("reads in a dry run what that has made up, as it was changed since, and what is there", function()
    local dry = {}
    local outcome = on([[
local one = t.write{ title = "one" }
t.change(one.id, "two")
t.change("real", "three")
log(t.get(one.id).title, t.get("real").title, t.write{ title = "x" }.id)]], { dry = dry })
    assert.is_nil(outcome.error)
    assert.same({ "two nil made up x" }, { unpack(outcome.log) })
    assert.same({ { id = "real" } }, asked)
    assert.same({ "two" }, { unpack(on('log(t.get("made up one").title)', { dry = dry }).log) })
    assert.same({ "nil" }, { unpack(on('log(t.get("made up one").title)', { dry = {} }).log) })
    on('t.change("made up one")', { dry = dry }) -- to nothing
    assert.same({ "nil" }, { unpack(on('log(t.get("made up one").title)', { dry = dry }).log) })
  end)

  it("does each change once over attempts, and acts as the script", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local release = release_of([[
on("report.created", function(event)
  local one = t.write{ title = "one" }
  local sent = t.outside{ to = one.id }
  if event.fails then error("not yet") end
  t.write{ title = one.by .. " " .. sent.status }
end)]])
    local event = { id = "e", event = "report.created", resourceType = "report", data = {}, fails = true }
    assert.equal("error", run(release, { origin = origin }, event).status)
    assert.equal("error", run(release, { origin = origin }, event).status)
    event.fails = nil
    assert.equal("ok", run(release, { origin = origin }, event).status)
    assert.equal("ok", run(release, { origin = origin }, event).status)
    assert.equal(3, #asked)
    assert.equal("one", asked[1])
    assert.matches("^made 1 %x+$", asked[2])
    assert.equal("script:rules/a.lua@7 2", asked[3])
  end)

  it("goes by the time of the attempt that did something", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    assert.equal("error", on("t.write{ title = now() } error('late')", { origin = origin }).status)
    local first = asked[1]
    task.sleep(5)
    origin.again = true
    assert.equal("ok", on("t.write{ title = now() } t.write{ title = now() }", { origin = origin }).status)
    assert.same({ first, first }, asked)
  end)

  it("fails for good when it asks for something else than before", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    assert.equal("error", on("t.write{ title = 'one' } error('late')", { origin = origin }).status)
    origin.again = true
    local outcome = on("t.write{ title = 'two' }", { origin = origin })
    assert.same({ "EFFECT_CHANGED", true, 2 },
      { outcome.error.code, outcome.permanent, outcome.error.line })
    assert.same({ "one" }, asked)
  end)

  local function kept(origin)
    return db.scope(ctx):query("SELECT answers, result, persons FROM script_effects WHERE tenant_id = :tenant "
      .. "AND cause = ? ORDER BY ordinal", origin.cause)
  end

  it("reads in another attempt what it read before it did something", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local text = [[
local first = t.count{}
t.write{ title = "at " .. first }
local second, third = t.count{}, t.count{}
t.outside{ to = second .. " " .. third }
t.write{ title = "then " .. t.count{} }]]
    assert.equal("error", on(text .. "\nt.count{} error('late')", { origin = origin }).status)
    assert.same({ "at 1", "then 4" }, { asked[1], asked[3] })
    assert.matches("^2 3 %x+$", asked[2])
    for _, row in ipairs(kept(origin)) do
      assert.is_nil(row.answers:find("result", 1, true)) -- sealed
    end
    origin.again = true
    assert.equal("ok", on(text .. "\nt.write{ title = 'anew ' .. t.count{} }",
      { origin = origin }).status)
    assert.same({ 4, "anew 6" }, { #asked, asked[4] })
  end)

  it("knows what an earlier version of the platform has kept", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local text = "local first = t.count{} local made = t.write{ title = 'at ' .. first } "
    assert.equal("error", on(text .. "error('late')", { origin = origin }).status)
    local bound_to = ("%s %s h 1"):format(tenant.id, origin.cause)
    local now = persons.open_together(ctx, {}, "scripts.answers", kept(origin)[1].answers, bound_to)
    local digest, count, result = now:match('^64 (%x+)3 ("1")6 result%d+ (.*)$')
    db.transaction(ctx, function(tx_ctx)
      local sealed = persons.seal_together(tx_ctx, {}, "scripts.answers",
        json.encode({ { digest, count }, { "result", result } }), bound_to)
      db.scope(tx_ctx):exec("UPDATE script_effects SET answers = ? WHERE tenant_id = :tenant AND cause = ?",
        sealed, origin.cause)
    end)
    origin.again = true
    assert.equal("1 made 1", on(text .. "log(first, made.id)", { origin = origin }).log[1])
    assert.same({ "at 1" }, asked)
  end)

  it("keeps a number as it is where nothing was read, and sealed beside what was", function()
    hired = 42
    for text, sealed in pairs({ ["local n = t.hire() "] = false, ["t.count{} local n = t.hire() "] = true }) do
      local origin = { cause = uuid.v7(), handler = "h" }
      assert.equal("error", on(text .. "error('late')", { origin = origin }).status)
      local row = kept(origin)[1]
      assert.same({ not sealed and "42" or nil, sealed }, { row.result, row.answers ~= nil })
      origin.again = true
      assert.equal("42", on(text .. "log(n)", { origin = origin }).log[1])
    end
  end)

  it("that has ended well is over, and nothing is kept of what it read", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local text = "t.write{ title = t.count{} } t.write{ title = 'two' }"
    assert.equal("error", on(text .. " error('late')", { origin = origin }).status)
    assert.same({ true, true }, { kept(origin)[1].answers ~= nil, kept(origin)[2].answers ~= nil })
    origin.again = true
    assert.equal("ok", on(text, { origin = origin }).status)
    assert.same({ {}, {} }, { unpack(kept(origin)) })
    for _, again in ipairs({ true, false }) do -- whoever knows of it, and who comes upon it
      origin.again = again
      local outcome = on("log('again')\n" .. text .. " t.write{ title = 'three' }", { origin = origin })
      assert.same({ "ok", 0 }, { outcome.status, #outcome.log })
    end
    assert.same({ "1", "two" }, asked)
  end)

  describe("that tells of somebody", function()
    local ann, person

    before_each(function()
      ann = uuid.v7()
      db.platform(system):exec("INSERT INTO users (id, email) VALUES (?, ?)", ann, ann .. "@runs.test")
      person = { userId = ann, name = "Xanthippe" }
    end)

    local function erase()
      db.transaction(system, function(tx)
        persons.forget(tx, ann)
      end)
    end

    -- Runs a rule that fails after what it did; what it left is hers alone to open.
    local function fail(text, read, gave)
      known, hired = read, gave
      local origin = { cause = uuid.v7(), handler = "h" }
      assert.equal("error", on(text .. " error('late')", { origin = origin }).status)
      local row = kept(origin)[1]
      assert.is_nil(row.result)
      assert.is_nil(row.answers:find("Xanthippe", 1, true))
      origin.again = true
      return origin, row.persons and json.decode(row.persons)
    end

    local TEXT = "local p = t.person() local q = t.hire() log(p.who.name .. q.name)"
    local TEAM = { id = uuid.v7(), name = "Electrical" }

    it("is kept with their key", function()
      for _, case in ipairs({ { { who = person, team = TEAM }, TEAM }, { { who = TEAM }, person } }) do
        local origin, of = fail(TEXT, json.raw(json.encode(case[1])), case[2])
        assert.same({ ann }, of)
        local outcome = on(TEXT, { origin = origin })
        assert.same({ "ok", case[1].who.name .. case[2].name }, { outcome.status, outcome.log[1] })
      end
      assert.is_nil(select(2, fail(TEXT, { who = TEAM }, TEAM)))
      assert.is_nil(select(2, fail(TEXT, { who = { name = "Anonymous" } }, TEAM)))
    end)

    it("ends for good when they were erased, and does nothing again", function()
      local origin = fail(TEXT .. " t.write{ title = 'hired' }", { who = person }, TEAM)
      erase()
      local outcome = on(TEXT .. " t.write{ title = 'hired' }", { origin = origin })
      assert.same({ "EFFECT_LOST", true }, { outcome.error.code, outcome.permanent })
      assert.same({ "hired" }, asked)
    end)

    it("goes on where nothing that it did hangs on them", function()
      erase()
      local origin, of = fail(TEXT, { who = { userId = ann, name = "deleted user" } }, TEAM)
      assert.is_nil(of)
      assert.equal("ok", on(TEXT, { origin = origin }).status)
    end)
  end)

  it("reads anew what it asks in another way", function()
    local origin = { cause = uuid.v7(), handler = "h", again = true }
    assert.equal("error", on("t.count{} t.write{ title = 'x' } error('late')",
      { origin = origin }).status)
    local outcome = on("local n = t.count{ of = 'others' } t.write{ title = 'x' } log(n)",
      { origin = origin })
    assert.same({ "ok", "2" }, { outcome.status, outcome.log[1] })
  end)

  it("may read more than is kept", function()
    local origin = { cause = uuid.v7(), handler = "h", again = true }
    local text = [[
for i = 1, 10 do
  t.large{ bytes = 100000 }
end
t.write{ title = "x" }
log(t.count{})
]]
    assert.equal("1", on(text .. "error('late')", { origin = origin }).log[1])
    assert.equal("2", on(text, { origin = origin }).log[1])
    assert.same({ "x" }, asked)
  end)

  it("that meets another attempt, which has read something else, is tried again", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local text = "t.write{ title = t.count{} }"
    assert.equal("error", on(text .. " error('late')", { origin = origin }).status)
    local outcome = on(text, { origin = origin }) -- it does not know of the other
    assert.same({ "CONFLICT" }, { outcome.error.code, outcome.permanent })
    origin.again = true
    assert.equal("ok", on(text, { origin = origin }).status)
    assert.same({ "1" }, asked)
  end)

  it("keeps nothing of what a run that failed had begun", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local write = registry.capabilities["t.write"].run
    registry.capabilities["t.write"].run = function()
      error("full")
    end
    assert.equal("error", on("t.write{ title = 'one' }", { origin = origin }).status)
    registry.capabilities["t.write"].run = write
    assert.equal("ok", on("t.write{ title = 'two' }", { origin = origin }).status)
    assert.same({ "two" }, asked)
  end)

  it("of two that do the same at once makes one wait for the other", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local ended, statuses, count = task.signal(), {}, 0
    for i = 1, 3 do
      task.spawn(function()
        statuses[i] = on("t.write{ title = 'one' }", { origin = origin }).status
        count = count + 1
        ended:notify()
      end)
    end
    while count < 3 do
      ended:wait(5000)
    end
    assert.same({ "ok", "ok", "ok" }, statuses)
    assert.same({ "one" }, asked)
  end)

  it("joins another attempt that has done the same while its own could not be done again", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local is_done, entered, count, messages, logs = false, 0, 0, {}, {}
    local both, ended, entry = task.signal(), task.signal(), registry.capabilities["t.write"]
    local write = entry.run
    finally(function()
      entry.run = write
    end)
    entry.run = function(tx, arguments, call) -- as who goes from a state that is left only once
      entered = entered + 1
      if entered == 1 then
        both:wait(5000)
        db.after_commit(tx, function()
          is_done = true
        end)
      else
        both:notify()
        while not is_done do
          task.sleep(5)
        end
        errors.raise("INVALID_TRANSITION", "it is done already")
      end
      return write(tx, arguments, call)
    end
    for i = 1, 2 do
      task.spawn(function()
        local outcome = on("log(t.write{ title = 'one' }.id) error('late')", { origin = origin })
        messages[i], logs[i], count = outcome.error.message, outcome.log[1], count + 1
        ended:notify()
      end)
    end
    while count < 2 do
      assert(ended:wait(5000))
    end
    assert.same({ { "late", "late" }, { "made 1", "made 1" }, { "one" } }, { messages, logs, asked })
  end)

  it("is told why its write failed where nobody else has done it", function()
    local origin = { cause = uuid.v7(), handler = "h" }
    local entry = registry.capabilities["t.write"]
    local write = entry.run
    finally(function()
      entry.run = write
    end)
    entry.run = function()
      errors.raise("INVALID_TRANSITION", "not from here")
    end
    local outcome = on("t.write{ title = 'one' }", { origin = origin })
    assert.same({ "INVALID_TRANSITION", "not from here" }, { outcome.error.code, outcome.error.message })
    assert.same({}, { unpack(kept(origin)) })
  end)

  it("finds all of the memory, whatever those before have kept or wasted", function()
    local keeps = release_of([[
local kept = {}
on("report.created", function()
  for i = 1, 40 do kept[#kept + 1] = ("x"):rep(60000) .. #kept end
end)]])
    local wastes = release_of([[
on("report.created", function(event)
  local list
  while event.data.wastes do list = { next = list } end
end)]])
    local event = { id = "e", event = "report.created", resourceType = "report", data = {} }
    for _ = 1, 12 do
      assert.equal("ok", run(keeps, nil, event).status)
    end
    for _ = 1, 5 do
      event.data.wastes = true
      assert.equal("LIMIT_MEMORY", run(wastes, nil, event).error.code)
      event.data.wastes = nil
      assert.equal("ok", run(wastes, nil, event).status)
    end
  end)

  it("fails alone when its process is killed, and the next one has a fresh one", function()
    local ended, outcome = task.signal(), nil
    task.spawn(function()
      outcome = on("t.get('id') t.wait{ ms = 300 }")
      ended:notify()
    end)
    while #asked == 0 do
      task.sleep(10)
    end
    for _, pid in ipairs(sandboxes.pids(sys.pid())) do
      os.execute("kill -9 " .. pid)
    end
    ended:wait(5000)
    assert.equal("CRASHED", outcome.error.code)
    assert.equal("ok", on("t.get('id')").status)
  end)
end)

describe("declarations", function()
  local function declared(text)
    return process.declared(new_tenant().id, { { path = RULE, content = text } })
  end

  it("are listed with their places", function()
    local found = declared([[
on_error = "deny"
before("report.create", function() end)
on("workorder.assigned", function() end)
escalate{ of = "workorder", name = "urgent", when = function() end,
  steps = { { after = "30m", run = function() end }, { after = "2h", run = function() end } } }
transition{ of = "workorder", from = "accepted", to = "awaiting_parts", guard = function() end }
route("GET", "/open-by-team/:id", function() end)
every("0 7 * * 1-5", "morning", function() end)
template("workorder.assigned", "email", { subject = "{{workorder.number}}", body = function() end })
]])
    assert.same({}, { unpack(found.problems) })
    local hooks_found = {}
    for i, hook in ipairs(found.hooks) do
      hooks_found[i] = hook.kind .. " " .. hook.name .. " " .. hook.file .. ":" .. hook.line
    end
    assert.same({
      "before report.create rules/a.lua:2", "on workorder.assigned rules/a.lua:3",
      "escalate urgent rules/a.lua:4", "transition workorder:accepted:awaiting_parts rules/a.lua:6",
      "route GET /open-by-team/:id rules/a.lua:7", "every morning rules/a.lua:8",
      "template workorder.assigned rules/a.lua:9",
    }, hooks_found)
    assert.equal("deny", found.hooks[1].onError)
    assert.same({ { after = 1800 }, { after = 7200 } }, { unpack(found.hooks[3].steps) })
    assert.is_true(found.hooks[4].guarded)
  end)

  -- Each on a line of its own, with what is said of it.
  local WRONG = {
    { 'before("report.creat", function() end)', "unknown action 'report.creat' .+'report.create'" },
    { 'on("report.create", function() end)', "unknown event 'report.create' .+'report.created'" },
    { 'on("report.created")', "second argument of on must be a function, not nothing" },
    { "on(function() end)", "first argument of on must be text, not a function" },
    { 'escalate{ of = "repair", name = "x", steps = {} }', "of must be one of report, workorder" },
    { 'escalate{ of = "report", name = "x", steps = {} }', "steps must be a list" },
    { 'escalate{ of = "report", name = "x", steps = { { after = "soon", run = print } } }',
      "after of step 1 must be a time" },
    { 'transition{ of = "report", from = "A B", to = "c" }', "names of states" },
    { 'route("FETCH", "/x", function() end)', "method of a route must be one of" },
    { 'route("GET", "x", function() end)', "must start with /" },
    { 'every("7 o\'clock", "x", function() end)', "five fields" },
    { 'template("x", "letter", {})', "channel of a template must be one of" },
    { 'template("x", "sms", { body = "b", "c" })', "a text needs a name such as body, not 1" },
    { 'before("report.create", function() end, { on_error = "deny" })', "before takes 2 arguments, not 3" },
    { 'escalate({ of = "report", name = "x", steps = { { after = "1h", run = print } } }, 1)',
      "escalate takes 1 arguments, not 2" },
    { 'transition{ of = "report", from = "a", to = "b", gaurd = print }',
      "transition has no 'gaurd' %(did you mean 'guard'%?%): it takes from, guard, of, to" },
    { 'escalate{ of = "report", name = "y", whne = print, steps = { { after = "1h", run = print } } }',
      "escalate has no 'whne' %(did you mean 'when'%?%): it takes name, of, steps, when" },
    { 'escalate{ of = "report", name = "z", steps = { { after = "1h", run = print, rnu = print } } }',
      "escalate: step 1 has no 'rnu' %(did you mean 'run'%?%): it takes after, run" },
    { 'transition{ of = "report", from = "b", to = "a", whatever = 1 }', "has no 'whatever': it takes" },
    { 'before(("é"):rep(9999), function() end)', "^unknown action '[é]+$" },
    { 'route("GET", "/z", print, { permission = "public", cache = true })',
      "route: options has no 'cache': it takes permission" },
  }

  it("that are wrong are told all together, each at its line", function()
    local lines = { "local print = function() end" }
    for i, wrong in ipairs(WRONG) do
      lines[i + 1] = wrong[1]
    end
    local found = declared(table.concat(lines, "\n"))
    assert.equal(#WRONG, #found.problems)
    for i, problem in ipairs(found.problems) do
      assert.equal(i + 1, problem.line)
      assert.matches(WRONG[i][2], problem.message)
    end
  end)

  it("with keys that mean nothing are declared, so that the others keep their numbers", function()
    local found = declared('transition{ of = "report", from = "a", to = "b", gaurd = 1 }\n'
      .. 'on("report.created", function() end, 1)\n')
    assert.same({ 2, 2 }, { #found.problems, #found.hooks })
    assert.same({ 2, "on" }, { found.hooks[2].id, found.hooks[2].kind })
  end)

  it("that do not load say where", function()
    local found, problem = declared("local x = \nend")
    assert.is_nil(found)
    assert.same({ "SCRIPT_ERROR", RULE, 2 }, { problem.code, problem.file, problem.line })
    found, problem = declared("\nlocal x = unknown + 1")
    assert.is_nil(found)
    assert.same({ RULE, 2 }, { problem.file, problem.line })
    found, problem = declared("while true do end")
    assert.is_nil(found)
    assert.equal("LIMIT_CPU", problem.code)
  end)

  it("are limited in number", function()
    local text = ('on("report.created", function() end)\n'):rep(26)
    assert.matches("limit: 25 hooks for on report.created", declared(text).problems[1].message)
    local schedules = {}
    for i = 1, 51 do
      schedules[i] = ('every("0 0 * * *", "s%d", function() end)'):format(i)
    end
    assert.matches("limit: 50 schedules", declared(table.concat(schedules, "\n")).problems[1].message)
  end)
end)

describe("a rule in front of an action", function()
  it("that makes what JSON cannot say is told of with file and line", function()
    local ctx = context.system({ name = "test", tenant = new_tenant() })
    local files = { { path = RULE, content =
      '\nbefore("report.create", function(r) r.title = "\\255" end)\n' } }
    local declared = process.declared(ctx.tenant.id, files)
    local release = { name = "7", number = 7, tenant_id = ctx.tenant.id, files = files,
      hooks = keys.give(declared.hooks) }
    local err = hooks.run(ctx, release, release.hooks[1], { { title = "x" } }, { quiet = true }).error
    assert.same({ "SCRIPT_ERROR", RULE, 2 }, { err.code, err.file, err.line })
    assert.matches("^JSON: ", err.message)
  end)
end)

describe("a request's rules", function()
  it("cost nothing where there are none, nor in commands", function()
    local data = {}
    assert.equal(data, before(system, "report.create", data, {}))
    assert.equal("cli", (sys.role()))
    local tenant = new_tenant()
    assert.equal(data, before(context.system({ name = "t", tenant = tenant }), "report.create", data, {}))
  end)
end)

describe("the relay", function()
  it("asks once for a batch who listens", function()
    local store = require("services.scripts.listeners_store")
    local find = spy.on(store, "find_listening")
    finally(function()
      find:revert()
    end)
    local rows = {}
    for i = 1, 5 do
      rows[i] = { tenant_id = new_tenant().id, event = "report.created" }
    end
    listeners.numbered(system, rows)
    listeners.numbered(system, {})
    assert.spy(find).was.called(1)
  end)
end)
