-- The inside of make bench-rules, run by `fixxit test`: what a run takes of the worker that begins it
-- and of the process that executes it, at a steady rate, and what each thing takes that it asks for.
-- Figures go to standard output, behind the word "figure": name, part of it, microseconds.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local plugin = require("core.plugin")
local registry = require("core.registry")
local s = require("core.schema")
local system_routes = require("core.system_routes")
local task = require("core.task")
local time = require("core.time")
local uuid = require("core.uuid")
local active = require("services.scripts.active")
local before = require("services.scripts.before")
local drafts = require("services.scripts.drafts")
local hooks = require("services.scripts.hooks")
local process = require("services.scripts.process")
local record = require("services.scripts.record")
local releases = require("services.scripts.releases")
local sys = require("core.sys")
local seed = require("tests.bench.seed")

local SECONDS = tonumber(os.getenv("BENCH_SECONDS") or "") or 3
local ROUNDS = tonumber(os.getenv("BENCH_ROUNDS") or "") or 3
local RATE = 1000 -- runs a second, and calls
local CALLS = 10 -- of one run
local AT_ONCE = 4 -- on a machine that is late the next ones wait
local BUSY_MS = 1000
local AT_A_TIME = 8 -- of those that go as fast as they can
local LOOKS = 100000
local LANE = "live"
local EVENT = "report.created"
local REPORT = seed.new_report(1)

-- Ten fields and one decision, as most rules are.
local DECIDES = [[
  local place, tags = report.location or {}, report.tags or {}
  local is_urgent = report.severity == "critical" or report.severity ~= "none"
  if is_urgent and report.category ~= "none" and place.latitude and place.longitude
    and report.title ~= "" and report.description and report.source == "web"
    and place.description ~= "" and #tags > 5 then
    log("urgent", report.title)
  end
]]

-- What rules ask for: as a rule says it, and its arguments, the ith time.
local CALLED = {
  { name = "reports.get", text = "reports.get(event.report.id)", arguments = function(place)
    return { id = place.report.id }
  end },
  { name = "kv.get", text = 'kv.get("bench.1")', arguments = function()
    return { key = "bench.1" }
  end },
  { name = "kv.set", text = 'kv.set("bench." .. i, i)', arguments = function(_, i)
    return { key = "bench." .. i, value = i }
  end },
  { name = "reports.update", text = "reports.update(event.report.id, { tags = { tostring(i) } })",
    arguments = function(place, i)
      return { id = place.report.id, changes = { tags = { tostring(i) } } }
    end },
  { name = "notify", text = 'notify{ role = "dispatcher", title = "A line is down" }',
    arguments = function()
      return { role = "dispatcher", title = "A line is down", type = "script.message" }
    end },
}

-- The rules -----------------------------------------------------------------------

local function on(body)
  return ("on(%q, function(event)\n%s\nend)"):format(EVENT, body)
end

local function repeated(call)
  return on(("for i = 1, %d do local _ = i, %s end"):format(CALLS, call))
end

-- In front of reports the one that decides; for events the same, one that counts to ten, one for
-- each thing to ask for, and one for nothing and for the work of each.
local function rules()
  local texts = {
    'before("report.create", function(report)\n' .. DECIDES .. "end)",
    on("local report = event.report\n" .. DECIDES),
    repeated("0"),
  }
  for _, called in ipairs(CALLED) do
    texts[#texts + 1] = repeated(called.text)
  end
  for i = 0, #CALLED do
    texts[#texts + 1] = repeated(("bench.work(%d, i)"):format(i))
  end
  return table.concat(texts, "\n")
end

-- The tenants ----------------------------------------------------------------------

local function new_person(ctx, tenant)
  local id, platform = uuid.v7(), db.platform(ctx)
  platform:exec("INSERT INTO users (id, email, first_name, last_name, user_type) "
    .. "VALUES (?, ?, 'Dana', 'Diaz', 'employee')", id, id .. "@bench.example")
  platform:exec("INSERT INTO user_tenants (id, user_id, tenant_id, role) VALUES (?, ?, ?, ?)",
    uuid.v7(), id, tenant.id, "dispatcher")
end

local function new_place(slug)
  local tenant = { id = uuid.v7(), slug = slug, timezone = "UTC", settings = {}, tier = "enterprise" }
  db.platform(context.system({ name = "bench" })):exec("INSERT INTO tenants "
    .. "(id, slug, organization_name, subscription_tier) VALUES (?, ?, 'T', 'enterprise')",
    tenant.id, slug)
  local ctx = context.system({ name = "bench", tenant = tenant })
  new_person(ctx, tenant)
  return { tenant = tenant, ctx = ctx,
    report = registry.capabilities["reports.create"].run(ctx, REPORT) }
end

local function publish(place)
  drafts.put(place.ctx, "rules/bench.lua", rules())
  releases.publish(place.ctx, { message = "bench" })
  place.release = hooks.release(place.ctx)
  place.listeners = hooks.find(place.release, "on", EVENT)
end

-- What is measured -----------------------------------------------------------------

-- Runs a hook as the job of an event does.
local function handle(place, hook)
  local event = { id = uuid.v7(), event = EVENT, resourceType = "report",
    resourceId = place.report.id, data = place.report, actor = { kind = "user", name = "Dana" },
    occurredAt = "2026-11-20T09:12:44.120Z" }
  local outcome = hooks.run(place.ctx, place.release, hook, { event }, { lane = LANE,
    event = EVENT, event_id = event.id, origin = { cause = event.id, handler = hook.key } })
  if outcome.error then
    error(json.encode(outcome.error), 0)
  end
end

-- A call that does the ith time the work of another one, and nothing of what that one needs besides,
-- such as to be done once. It is done where that does it, between two turns of the script's process:
-- the same work in a loop finds its code and data in the processor's caches, and takes half as much.
local function add_work(place)
  local function run(ctx, given)
    local called = CALLED[given.of]
    if not called then
      return
    end
    local entry, arguments = registry.capabilities[called.name], called.arguments(place, given.i)
    local function perform(within)
      return entry.run(within, arguments, { key = uuid.v7() })
    end
    if entry.writes then
      return db.transaction(ctx, perform)
    end
    return perform(ctx)
  end
  registry.capabilities["bench.work"] = { name = "bench.work", parameters = { "of", "i" },
    arguments = s.object({ of = s.integer({}), i = s.integer({}) }), run = run }
end

-- Runs fn() so many times, spread over the time that they take at `rate`.
local function pace(rate, count, fn)
  local begun, ended, problem = 0, 0, nil
  local started_ms = time.monotonic_ms()
  local function go()
    local ok, err = pcall(fn)
    problem = not ok and err or problem
    ended = ended + 1
  end
  while ended < count do
    local due = math.floor((time.monotonic_ms() - started_ms) * rate / 1000) + 1
    while begun < math.min(due, count) and begun - ended < AT_ONCE do
      begun = begun + 1
      task.spawn(go)
    end
    task.sleep(1)
  end
  if problem then
    error(problem, 0)
  end
end

-- Microseconds of CPU of this process, and of that of the tenant's scripts, for each of so many.
local function cost(place, rate, seconds, fn)
  local count = math.ceil(rate * seconds)
  process.cpu_ms(place.tenant.id, LANE)
  local began = os.clock()
  pace(rate, count, fn)
  return (os.clock() - began) * 1e6 / count, process.cpu_ms(place.tenant.id, LANE) * 1000 / count
end

local function tell(name, part, us)
  io.stdout:write(("figure %s %s %.3f\n"):format(name, part, us))
  io.stdout:flush()
end

-- The same as fast as they go, so many at a time: caches are warm, and nobody sleeps.
local function measure_busy(place, name, fn)
  local left, at_work, ended = RATE * SECONDS, AT_A_TIME, task.signal()
  local function turns()
    while left > 0 do
      left = left - 1
      fn()
    end
    at_work = at_work - 1
    ended:notify()
  end
  process.cpu_ms(place.tenant.id, LANE)
  local began, count = os.clock(), left
  for _ = 1, AT_A_TIME do
    task.spawn(turns)
  end
  while at_work > 0 do
    ended:wait(BUSY_MS)
  end
  tell(name, "worker", (os.clock() - began) * 1e6 / count)
  tell(name, "process", process.cpu_ms(place.tenant.id, LANE) * 1000 / count)
end

-- Both processes' share of one of `units` in each fn(), without what the pace itself takes.
local function measure(place, name, units, fn)
  local rate = RATE / units
  local pace_us = cost(place, rate, SECONDS / 2, function() end)
  local worker, script = cost(place, rate, SECONDS, fn)
  tell(name, "worker", (worker - pace_us) / units)
  tell(name, "process", script / units)
end

-- What a request pays where there is no rule for it.
local function look(place, name)
  local options = { id = place.report.id }
  local began = os.clock()
  for _ = 1, LOOKS do
    before(place.ctx, "workorder.create", REPORT, options)
  end
  tell(name, "worker", (os.clock() - began) * 1e6 / LOOKS)
end

local function round(with_rules, without)
  local listeners = with_rules.listeners
  local function in_front()
    with_rules.ctx.script_time = nil -- a request has one of its own
    before(with_rules.ctx, "report.create", REPORT, { id = with_rules.report.id })
  end
  measure(with_rules, "before", 1, in_front)
  measure_busy(with_rules, "busy", in_front)
  measure(with_rules, "on", 1, function() handle(with_rules, listeners[1]) end)
  measure(with_rules, "counts", CALLS, function() handle(with_rules, listeners[2]) end)
  local of_nothing = 3 + #CALLED
  measure(with_rules, "asks", CALLS, function() handle(with_rules, listeners[of_nothing]) end)
  for i, called in ipairs(CALLED) do
    measure(with_rules, called.name, CALLS, function() handle(with_rules, listeners[i + 2]) end)
    measure(with_rules, called.name .. "-work", CALLS, function()
      handle(with_rules, listeners[of_nothing + i])
    end)
  end
  look(with_rules, "other-rules")
  look(without, "no-rules")
end

describe("rules", function()
  it("are measured", function()
    plugin.load(system_routes)
    sys.role = function() return "http", 1 end -- commands are not stood in front of
    active.start()
    record.start()
    local with_rules, without = new_place("bench-rules"), new_place("bench-none")
    add_work(with_rules)
    publish(with_rules)
    for i, hook in ipairs(with_rules.listeners) do -- warm, and able to
      pace(RATE, i <= 2 and 500 or 50, function() handle(with_rules, hook) end)
    end
    for _ = 1, ROUNDS do
      round(with_rules, without)
    end
    record.stop()
    active.stop()
  end)
end)
