--- What a tenant whose rules never end does to another one: `GET /reports/:id` of the other at a steady
-- rate, alone and beside it in turns. What the workers spend on the first one's own requests is
-- measured without the other, and taken off.
local api = require("tests.bench.rules.api")
local load = require("tests.bench.load")
local processes = require("tests.bench.processes")
local results = require("tests.bench.results")
local scenarios = require("tests.bench.scenarios")

local M = {}

local RATE = 200 -- requests of the other a second
local CONNECTIONS, NOISE_CONNECTIONS = 16, 32
local WARM_UP_S, NOISE_S = 2, 1

local RULES = [[
on_error = "deny"
before("report.create", function() while true do end end)
route("GET", "/loop", function() while true do end end)
]]

local function write(run, name, list)
  local path = run.world.data .. "/requests-" .. name
  load.write_requests(path, list)
  return path
end

local function requests(run, noisy, other)
  local details = {}
  for i, report in ipairs(other.reports) do
    details[i] = { path = "/api/v1/reports/" .. report.id, token = other.token }
  end
  return write(run, "other", details), write(run, "noise",
    { { path = "/api/v1/x/loop", token = noisy.token }, scenarios.post(noisy, 1) })
end

-- CPU of what serves everybody: all but the processes of scripts.
local function workers_us(run)
  local us = 0
  for _, pid in ipairs(run.server.workers) do
    us = us + processes.cpu_of_us(pid)
  end
  return us
end

local function beside_noise(run, noise, fn)
  local pid = processes.spawn({ "wrk", "-t1", "-c" .. NOISE_CONNECTIONS, "-d600s", "--timeout", "30s",
    "-s", "tests/bench/wrk.lua", ("http://127.0.0.1:%d/"):format(run.server.port) },
    { env = { BENCH_REQUESTS = noise, BENCH_FIRST = 0 }, log = run.world.data .. "/noise.log" })
  processes.sleep(NOISE_S)
  local ok, result = pcall(fn)
  processes.stop(pid)
  processes.sleep(NOISE_S) -- what was under way ends
  return ok and result or error(result, 0)
end

local function measure(run, details)
  local before = workers_us(run)
  local kind = load.paced({ tools = run.tools, port = run.server.port, requests = details, kinds = 1,
    connections = CONNECTIONS, rate = RATE, seconds = run.seconds })[1]
  if kind.errors > 0 then
    error(("neighbour: %d requests were refused"):format(kind.errors), 0)
  end
  return { us = workers_us(run) - before, requests = kind.requests, p50_ms = kind.p50_us / 1000 }
end

-- CPU of the rules that never end.
local function loops_us(run)
  local us = 0
  for _, pid in ipairs(processes.named(run.server.pid, "fixxit sandbox")) do
    us = us + processes.cpu_of_us(pid)
  end
  return us
end

local function noise_alone(run)
  local before = workers_us(run)
  processes.sleep(run.seconds)
  return workers_us(run) - before
end

function M.run(run)
  local noisy, other = run.people[1], run.people[2]
  api.publish(run.world, run.server.port, noisy, { ["rules/loops.lua"] = RULES })
  local details, noise = requests(run, noisy, other)
  load.paced({ tools = run.tools, port = run.server.port, requests = details, kinds = 1,
    connections = CONNECTIONS, rate = RATE, seconds = WARM_UP_S })
  local cpu, p50, loops = {}, {}, {}
  for round = 1, run.rounds do
    local alone = measure(run, details)
    local own_us
    local beside = beside_noise(run, noise, function()
      own_us = noise_alone(run)
      local looped, began = loops_us(run), processes.now()
      local measured = measure(run, details)
      loops[round] = (loops_us(run) - looped) / 1e6 / (processes.now() - began)
      return measured
    end)
    local alone_us = alone.us / alone.requests
    local beside_us = (beside.us - own_us) / beside.requests
    cpu[round], p50[round] = 100 * (beside_us / alone_us - 1), 100 * (beside.p50_ms / alone.p50_ms - 1)
    run.say("round %d: GET /reports/:id %.0f µs, p50 %.2f ms alone; %.0f µs, %.2f ms beside "
      .. "loops that take %.2f of a processor", round, alone_us, alone.p50_ms, beside_us, beside.p50_ms,
      loops[round])
  end
  run.add("GET /reports/:id beside a tenant whose rules never end: CPU",
    ("%+.0f %% (the rules take %.2f of a processor)"):format(results.median(cpu), results.median(loops)),
    "unchanged")
  run.add("its p50", ("%+.0f %%"):format(results.median(p50)), "less than +50 %")
end

return M
