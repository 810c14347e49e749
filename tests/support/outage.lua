--- MariaDB and Redis killed, hung and refused in the middle of the day, one after another. Tells
-- what people and monitors saw meanwhile.
local cqueues = require("cqueues")
local exposition = require("tests.support.exposition")
local ledger = require("tests.support.ledger")
local servers = require("tests.support.server")
local traffics = require("tests.support.traffic")

local M = {}

local RECOVERY_S = 60

-- Short waits, so that the test need not wait for the usual ones.
M.ENV = { FIXXIT_SERVER_WORKERS = 2, FIXXIT_LIMITS_SCALE = 10000, FIXXIT_DB_POOL_WAIT_MS = 1500,
  FIXXIT_DB_CONNECT_TIMEOUT_MS = 1000, FIXXIT_DB_STATEMENT_TIMEOUT_MS = 2000,
  FIXXIT_HTTP_REQUEST_TIMEOUT_MS = 8000 }

--- Name -> { what breaks, begin, end }.
M.FAULTS = {
  { name = "killed", begin = function(one) one:kill() end, finish = function(one) one:start() end },
  { name = "hung", begin = function(one) one:signal("STOP") end,
    finish = function(one) one:signal("CONT") end },
  -- its connections live on, no new one is made
  { name = "unreachable",
    begin = function(one, server)
      local path = ("%s/run/%s.sock"):format(server.data, one.name)
      servers.shell(("mv %s %s.away"):format(path, path))
    end,
    finish = function(one, server)
      local path = ("%s/run/%s.sock"):format(server.data, one.name)
      servers.shell(("mv %s.away %s"):format(path, path))
    end },
  { name = "stopped and started", begin = function(one) one:signal("TERM") end,
    finish = function(one) one:kill() one:start() end },
}

-- What a monitor sees now.
local function look(server)
  local api = server.api
  local metrics = {}
  for _, sample in ipairs(exposition.parse(api:get("/metrics", { root = true }).body)) do
    if sample.name:find("^fixxit_%a+_up$") then
      metrics[sample.name] = sample.value
    end
  end
  local health = api:get("/system/health").json.data
  return { alive = api:get("/health", { root = true }).status,
    ready = api:get("/ready", { root = true }).status, status = health.status,
    database = health.services.database.status, redis = health.services.redis.status,
    database_metric = metrics.fixxit_database_up, redis_metric = metrics.fixxit_redis_up }
end

local function settled(server)
  local deadline = cqueues.monotime() + RECOVERY_S
  local seen
  repeat
    seen = look(server)
    if seen.ready == 200 and seen.status == "ok" then
      return seen
    end
    cqueues.sleep(0.1)
  until cqueues.monotime() > deadline
  return seen
end

--- Lets one fault after another happen to one of the two while people work.
-- @param server with .dependencies
-- @param options which ("mariadb" or "redis"), faults = array of names, lasting_s, prefix
-- @return outcome {traffic, during = name -> what was seen, after = likewise, recovered = name ->
--   boolean, unheard, reports, pids_before, pids_after}
function M.run(server, options)
  local outcome = { during = {}, after = {}, recovered = {}, pids_before = server:pids("http") }
  local loop = cqueues.new()
  local traffic = traffics.start(loop, { api = server.api, prefix = options.prefix, reporters = 4,
    readers = 4, sockets = 4, token = server.api:login("dispatcher@riverton.example").token })
  local one = server.dependencies[options.which]
  loop:wrap(function()
    assert(traffic:await(100, RECOVERY_S), "no traffic")
    for _, fault in ipairs(M.FAULTS) do
      if options.faults[fault.name] then
        fault.begin(one, server)
        cqueues.sleep(options.lasting_s / 2)
        outcome.during[fault.name] = look(server)
        cqueues.sleep(options.lasting_s / 2)
        fault.finish(one, server)
        outcome.recovered[fault.name] = traffic:await(100, RECOVERY_S)
        outcome.after[fault.name] = settled(server)
      end
    end
    outcome.unheard = traffic:finish()
  end)
  assert(loop:loop())
  outcome.traffic = traffic
  outcome.pids_after = server:pids("http")
  outcome.reports = ledger.check(server, options.prefix, traffic.acknowledged)
  return outcome
end

return M
