-- Escalations and states that a tenant's scripts add, over HTTP: published, seen at work, taken
-- back.
local servers = require("tests.support.server")

local MINUTE_S = 60

local server, api, owner, dispatcher

setup(function()
  server = servers.start()
  api = server.api
  owner = api:login("owner@riverton.example")
  dispatcher = api:login("dispatcher@riverton.example")
end)

teardown(function()
  server:stop()
end)

local function by(who, json)
  return { token = who.token, json = json }
end

local function ok(answer)
  assert.is_true(answer.status >= 200 and answer.status < 300, answer.body)
  return answer.json.data
end

local function count(sql)
  return tonumber(server:sql("SELECT COUNT(*) " .. sql))
end

local function wait_until(fn, what)
  for _ = 1, 100 do
    local value = fn()
    if value then
      return value
    end
    servers.sleep(0.05)
  end
  error(what .. "\n" .. server:log_text():sub(-2000))
end

local function publish(content)
  ok(api:put("/scripts/draft/rules/flow.lua", by(owner, { content = content })))
  return ok(api:post("/scripts/publish", by(owner, { message = "spec" }))).release
end

local function order(more)
  local body = { title = "Work " .. math.random(1e9) }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  return ok(api:post("/workorders", by(dispatcher, body)))
end

local function clock_of(id)
  local text = server:sql(("SELECT state, mark FROM sla_clocks WHERE kind = 'script' "
    .. "AND resource_id = '%s'"):format(id))
  return text:match("^(%a+)\t(%d+)")
end

local function wait_clock(id, state, mark)
  wait_until(function()
    local is, taken = clock_of(id)
    return is == state and taken == tostring(mark)
  end, ("%s: %s %s, not %s %d"):format(id, tostring(clock_of(id)), "", state, mark))
end

local function move(id, seconds)
  server:sql(("UPDATE sla_clocks SET since = since - INTERVAL %d SECOND, wake_at = NOW(3) "
    .. "WHERE resource_id = '%s' AND state = 'running'"):format(seconds, id))
end

local function runs(status)
  return ok(api:get("/scripts/runs?limit=100" .. (status and "&status=" .. status or ""), by(owner)))
end

describe("an escalation", function()
  local RULE = [[
escalate{ of = "workorder", name = "urgent",
  when = function(wo) return wo.priority == "urgent" end,
  steps = {
    { after = "30m", run = function(wo) log(wo.number .. " waits") end },
    { after = "1h", run = function(wo) workorders.update(wo.id, { description = "late" }) end },
    { after = "2h", run = function(wo) log("very late") end },
  } }
]]

  it("runs its steps for what it concerns, each once and in order", function()
    publish(RULE)
    local calm, urgent = order(), order({ priority = "urgent" })
    wait_clock(urgent.id, "running", 0)
    assert.is_nil(clock_of(calm.id))
    move(urgent.id, 90 * MINUTE_S)
    wait_clock(urgent.id, "running", 2)
    move(urgent.id, 60 * MINUTE_S)
    wait_clock(urgent.id, "running", 3)
    local lines = {}
    wait_until(function()
      lines = {}
      for _, run in ipairs(runs()) do
        for _, line in ipairs(run.log) do
          lines[line] = (lines[line] or 0) + 1
        end
      end
      return lines["very late"]
    end, "no record of the last step")
    assert.same({ 1, 1 }, { lines[urgent.number .. " waits"], lines["very late"] })
    assert.equal("late", ok(api:get("/workorders/" .. urgent.id, by(dispatcher))).description)
    assert.equal(1, count(("FROM audit_logs WHERE resource_id = '%s' AND action = 'workorder.update' "
      .. "AND actor LIKE 'script:rules/flow.lua@%%'"):format(urgent.id)))
  end)

  it("stops when it does not concern the thing any more, and goes on when it does", function()
    local made = order({ priority = "urgent" })
    wait_clock(made.id, "running", 0)
    ok(api:put("/workorders/" .. made.id, by(dispatcher, { priority = "low" })))
    wait_clock(made.id, "stopped", 0)
    ok(api:put("/workorders/" .. made.id, by(dispatcher, { priority = "urgent" })))
    wait_clock(made.id, "running", 0)
    ok(api:put("/workorders/" .. made.id .. "/cancel", by(dispatcher, {})))
    wait_clock(made.id, "stopped", 0)
  end)

  it("that fails is tried again, and what it did is not done twice", function()
    local made = order({ priority = "urgent" })
    wait_clock(made.id, "running", 0)
    publish(RULE:gsub('log%(wo.number .. " waits"%)', [[
      workorders.update(wo.id, { description = "once" })
      if wo.title ~= "mended" then error("no") end]]))
    move(made.id, 40 * MINUTE_S)
    wait_until(function()
      return count(("FROM sla_clocks WHERE resource_id = '%s' AND last_error LIKE '%%no%%'")
        :format(made.id)) == 1
    end, "did not fail")
    ok(api:put("/workorders/" .. made.id, by(dispatcher, { title = "mended" })))
    move(made.id, 0)
    wait_clock(made.id, "running", 1)
    assert.is_true(#runs("error") > 0)
    assert.equal(1, count(("FROM audit_logs WHERE resource_id = '%s' AND action = 'workorder.update' "
      .. "AND actor LIKE 'script:%%'"):format(made.id)))
  end)
end)
