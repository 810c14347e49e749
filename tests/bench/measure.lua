--- One measurement of one server in one scenario.
local load = require("tests.bench.load")
local processes = require("tests.bench.processes")
local scenarios = require("tests.bench.scenarios")
local statements = require("tests.bench.statements")

local M = {}

local DRAIN_S = 120
local RELOADS = 5
local CONNECTIONS = 64
local FLOOR = "fixxit" -- whose requests go to the server that has no database
local SETTLE_S = 1 -- what a start or many new connections set going

-- What a request caused may go on behind its answer: Fixxit's outbox is part of its price.
local function drain(world, contestant)
  if contestant.is_ours then
    processes.await("the end of the outbox", DRAIN_S, function()
      if world:sql(contestant.database, "SELECT COUNT(*) FROM outbox") == "0\n" then
        return true
      end
      processes.sleep(0.05)
    end)
  end
end

local function spent(world, server)
  return { server = processes.cpu_us(server.pid), mariadb = processes.cpu_us(world.mariadb),
    redis = processes.cpu_us(world.redis) }
end

-- Runs fn() -> result with .requests, and adds what it cost.
local function priced(world, server, fn)
  local before = spent(world, server)
  local result = fn()
  drain(world, server.contestant)
  local after = spent(world, server)
  result.rate = result.requests / result.seconds
  result.cpu_us = (after.server - before.server) / result.requests
  result.mariadb_us = (after.mariadb - before.mariadb) / result.requests
  result.redis_us = (after.redis - before.redis) / result.requests
  result.pss = processes.pss(processes.family(server.pid))
  return result
end

-- Where a list is begun: what the comparison of statements asked for may not come again either.
local function first_of(world, server, scenario)
  if not scenario.once then
    return 0
  end
  server.used = server.used or {}
  return server.used[scenario.name]
    or statements.SPAN * #world.seeds[server.contestant.database].people
end

local function measure_http(world, server, scenario, seconds)
  local connections = scenario.connections or CONNECTIONS
  local first = first_of(world, server, scenario)
  local result = priced(world, server, function()
    return load.http({ port = server.port, seconds = seconds, connections = connections,
      requests = scenario.files[server.contestant.database or FLOOR], first = first })
  end)
  if scenario.once then
    local used = first + result.requests + connections
    if used > #scenario.requests(world.seeds[server.contestant.database]) then
      error(scenario.name .. ": requests came twice: ask for more REPORTS, or for less", 0)
    end
    server.used[scenario.name] = used
  end
  return result
end

local function open_sockets(world, server, count)
  local contestant = server.contestant
  local person = world.seeds[contestant.database].people[1]
  return load.sockets({ tools = world.options.tools, folder = world.data, port = server.port,
    target = contestant.socket:format(person.token), count = count, ready = contestant.ready,
    post = scenarios.post(person, 1) })
end

local function measure_fan_out(world, server, scenario, seconds)
  local sockets = open_sockets(world, server, scenario.sockets)
  processes.sleep(SETTLE_S)
  local ok, result = pcall(priced, world, server, function()
    return sockets:fan_out(seconds)
  end)
  sockets:close()
  return ok and result or error(result, 0)
end

-- Stops the server and starts it anew.
local function restart(world, server)
  processes.stop(server.pid)
  local fresh = server.contestant.start(world, server.contestant)
  processes.sleep(SETTLE_S)
  server.pid, server.workers = fresh.pid, fresh.workers
  return fresh.start_ms
end

-- Bytes of resident memory per socket that is open and silent. On a fresh server: one that has
-- worked has memory to spare.
local function measure_idle(world, server, scenario)
  restart(world, server)
  local family = processes.family(server.pid)
  local before = processes.rss(family)
  local sockets = open_sockets(world, server, scenario.idle)
  processes.sleep(SETTLE_S)
  local after = processes.rss(family)
  sockets:close()
  return { bytes_each = (after - before) / scenario.idle }
end

local function measure_reload(world, server)
  local times = {}
  for i = 1, RELOADS do
    local began = processes.now()
    world:command("reload", server.port, server.contestant.database)
    times[i] = (processes.now() - began) * 1000
  end
  table.sort(times)
  return { ms = times[math.ceil(RELOADS / 2)] }
end

local function measure_start(world, server)
  local ms = restart(world, server)
  return { ms = ms, pss = processes.pss(processes.family(server.pid)),
    workers_pss = server.workers and processes.pss(server.workers) }
end

--- Whether this server can be measured in this scenario.
function M.fits(contestant, scenario)
  if contestant.is_floor then
    return scenario.floor == true
  end
  return contestant.is_ours or not scenario.reload
end

--- Measures. @return a table of figures
function M.run(world, server, scenario, seconds)
  if scenario.sockets then
    return measure_fan_out(world, server, scenario, seconds)
  elseif scenario.idle then
    return measure_idle(world, server, scenario)
  elseif scenario.reload then
    return measure_reload(world, server)
  elseif scenario.start then
    return measure_start(world, server)
  end
  return measure_http(world, server, scenario, seconds)
end

local function number(text)
  return tonumber(text) or 0
end

-- Of one kind of time that turns took: how many, of those over 5 ms, the longest in ms.
local function turns_by(text, name)
  local count = number(text:match("\n" .. name .. "_seconds_count (%d+)"))
  local quick = number(text:match("\n" .. name .. '_seconds_bucket{le="0.005"} (%d+)'))
  local longest = 0
  for value in text:gmatch("\n" .. name .. "_max_seconds{[^}]*} (%S+)") do
    longest = math.max(longest, number(value))
  end
  return count, count - quick, longest * 1000
end

--- The turns of all of Fixxit's event loops so far.
-- @return {count, slow (over 5 ms), longest_ms, cpu_slow (over 5 ms of processor time), most_ms}
function M.loop_turns(server)
  local text = processes.shell(("curl -sf http://127.0.0.1:%d/metrics"):format(server.port))
  local count, slow, longest_ms = turns_by(text, "fixxit_loop_turn")
  local _, cpu_slow, most_ms = turns_by(text, "fixxit_loop_turn_cpu")
  return { count = count, slow = slow, longest_ms = longest_ms, cpu_slow = cpu_slow, most_ms = most_ms }
end

return M
