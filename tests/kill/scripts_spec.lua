-- kill -9 of processes of scripts, workers and job workers while rules run: each effect of each
-- event is there exactly once.
--
-- A rule answers each report with a work order and counts it. Its process, the worker that runs it
-- and the one that takes the reports die at random moments.
local cqueues = require("cqueues")
local patience = require("tests.support.patience")
local sandboxes = require("tests.support.sandboxes")
local servers = require("tests.support.server")

local EVENTS = tonumber(os.getenv("TEST_SCRIPT_EVENTS") or 200)
local KILLS = tonumber(os.getenv("TEST_SCRIPT_KILLS") or 40)
local CLIENTS = 3
local PATIENCE_S = 60 * patience

local RULE = [[
on("report.created", function(event)
  if not event.report.title:find("^Killed") then
    return
  end
  local order = workorders.create{ reportId = event.report.id, priority = "high" }
  workorders.update(order.id, { description = "for " .. event.report.title })
  kv.incr("answered")
end)
]]

describe("kill -9 while rules run", function()
  local server

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 2, FIXXIT_SERVER_JOB_WORKERS = 2,
      FIXXIT_SCRIPTS_FAILURES_MAX = 10000, FIXXIT_SCRIPTS_BACKGROUND_CPU_MS_PER_MINUTE = 60000 } })
    local owner = server.api:login("owner@riverton.example")
    local put = server.api:put("/scripts/draft/rules/kill.lua", { token = owner.token,
      json = { content = RULE } })
    assert.equal(201, put.status, put.body)
    local published = server.api:post("/scripts/publish", { token = owner.token, json = { message = "kill" } })
    assert.equal(201, published.status, published.body)
  end)

  teardown(function()
    server:stop()
  end)

  local function count(sql)
    return tonumber(server:sql("SELECT COUNT(*) FROM " .. sql):match("%d+"))
  end

  local function victim()
    local kind = math.random(3)
    local pids = kind == 1 and sandboxes.pids(server.pid) or server:pids(kind == 2 and "job" or "http")
    return pids[math.random(math.max(#pids, 1))], kind
  end

  local function post(number)
    return pcall(server.api.post, server.api, "/reports", { tenant = "riverton", json = {
      title = "Killed " .. number, category = "roads", severity = "low",
      location = { latitude = 51 + math.random() / 10, longitude = -2 - math.random() / 10 },
    } })
  end

  -- Locks of dead workers run out, and what waits for another attempt is due: the time that this
  -- takes is all that is not real here.
  local function pass_time()
    server:sql("UPDATE jobs SET locked_until = NOW(3) WHERE name = 'scripts.handle' AND state = 'running'")
    server:sql("UPDATE jobs SET run_at = NOW(3) WHERE name = 'scripts.handle' AND state = 'waiting' "
      .. "AND run_at > NOW(3)")
  end

  local function await_all()
    for _ = 1, PATIENCE_S * 2 do
      if count("outbox") == 0 and count("jobs WHERE name = 'scripts.handle' "
        .. "AND state IN ('waiting', 'running')") == 0 then
        return
      end
      pass_time()
      servers.sleep(0.5)
    end
    error("the events are not handled: " .. server:sql(
      "SELECT state, attempts, last_error FROM jobs WHERE name = 'scripts.handle' AND state <> 'done'"))
  end

  it("does each effect of each event once", function()
    math.randomseed(os.time())
    local loop = cqueues.new()
    local posted, killing, kills = 0, true, { 0, 0, 0 }
    for _ = 1, CLIENTS do
      loop:wrap(function()
        while posted < EVENTS do
          posted = posted + 1
          if not post(posted) then
            cqueues.sleep(0.02)
          end
        end
        killing = false
      end)
    end
    loop:wrap(function()
      local done = 0
      while killing or done < KILLS do
        cqueues.sleep(0.02 + math.random() * 0.1)
        local pid, kind = victim()
        if pid and pid > 0 then -- 0: it is being started
          servers.shell("kill -KILL " .. pid)
          kills[kind] = kills[kind] + 1
          done = done + 1
        end
      end
    end)
    assert(loop:loop())
    await_all()

    local reports = count("reports WHERE title LIKE 'Killed %'")
    print(("\n%d reports; killed: %d of scripts, %d job, %d http"):format(reports, unpack(kills)))
    assert.truthy(reports > EVENTS / 2, "the load was too small to prove anything")
    assert.equal(0, count("jobs WHERE name = 'scripts.handle' AND state = 'dead'"))
    assert.equal("", server:sql([[SELECT r.title, COUNT(w.id) FROM reports r
      LEFT JOIN work_orders w ON w.report_id = r.id WHERE r.title LIKE 'Killed %'
      GROUP BY r.id HAVING COUNT(w.id) <> 1]]))
    assert.equal(0, count([[work_orders w JOIN reports r ON r.id = w.report_id
      WHERE r.title LIKE 'Killed %' AND (w.version <> 2 OR w.description <> CONCAT('for ', r.title))]]))
    assert.equal(3 * reports, count("script_effects"))
    assert.matches("^" .. reports .. "\n$", server:sql("SELECT value FROM script_kv WHERE name = 'answered'"))
  end)
end)
