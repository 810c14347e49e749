--- What a `before` hook adds to a request: the same request of three tenants in turns, at a steady
-- rate that leaves the processors room. One tenant has a rule in front of it, one has rules in front
-- of something else, one has none.
local api = require("tests.bench.rules.api")
local load = require("tests.bench.load")
local processes = require("tests.bench.processes")
local results = require("tests.bench.results")
local scenarios = require("tests.bench.scenarios")

local M = {}

local RATE = 60 -- requests a second, of all three
local CONNECTIONS = 16
local BODIES = 40
local WARM_UP_S = 3

local RULE = [[
before("%s", function(data)
  local place, tags = data.location or {}, data.tags or {}
  if data.severity == "critical" and data.category == "electrical" and place.latitude
    and place.longitude and data.title ~= "" and data.description and data.source == "phone"
    and place.description ~= "" and #tags > 5 then
    reject("severity", "call us")
  end
end)
]]

local function write_requests(run, people)
  local list = {}
  for i = 1, BODIES do
    for _, person in ipairs(people) do
      list[#list + 1] = scenarios.post(person, i)
    end
  end
  local path = run.world.data .. "/requests-before"
  load.write_requests(path, list)
  return path
end

-- Percentiles of what the runs themselves took, by their records.
local function walls(run, person)
  local values = {}
  for line in run.world:sql(run.database, ("SELECT wall_us FROM script_runs WHERE tenant_id = '%s' "
    .. "ORDER BY wall_us"):format(person.tenant_id)):gmatch("%d+") do
    values[#values + 1] = tonumber(line)
  end
  local function percentile(percent)
    return values[math.floor((#values - 1) * percent / 100) + 1] or 0
  end
  return percentile(50) / 1000, percentile(99) / 1000, #values
end

local function measure(run, requests, seconds)
  local busy = processes.busy()
  local kinds = load.paced({ tools = run.tools, port = run.server.port, requests = requests, kinds = 3,
    connections = CONNECTIONS, rate = RATE, seconds = seconds })
  for i, kind in ipairs(kinds) do
    if kind.errors > 0 then
      error(("before: %d of kind %d were refused"):format(kind.errors, i), 0)
    end
  end
  return kinds, 100 * busy()
end

function M.run(run)
  local hooked, others, none = unpack(run.people)
  local port = run.server.port
  api.publish(run.world, port, hooked, { ["rules/before.lua"] = RULE:format("report.create") })
  api.publish(run.world, port, others, { ["rules/before.lua"] = RULE:format("workorder.create") })
  local requests = write_requests(run, { hooked, others, none })
  measure(run, requests, WARM_UP_S)
  run.world:sql(run.database, "DELETE FROM script_runs")
  local adds, adds_late, costs, load_percent = {}, {}, {}, {}
  for round = 1, run.rounds do
    local kinds, busy = measure(run, requests, 2 * run.seconds)
    local with_rule, with_others, without = unpack(kinds)
    adds[round] = (with_rule.p50_us - without.p50_us) / 1000
    adds_late[round] = (with_rule.p99_us - without.p99_us) / 1000
    costs[round] = (with_others.p50_us - without.p50_us) / 1000
    load_percent[round] = busy
    run.say("round %d: p50 %.2f ms with a rule, %.2f with others, %.2f without; p99 %.2f, %.2f, %.2f; "
      .. "processors %.0f %% busy", round, with_rule.p50_us / 1000, with_others.p50_us / 1000,
      without.p50_us / 1000, with_rule.p99_us / 1000, with_others.p99_us / 1000, without.p99_us / 1000,
      busy)
  end
  local p50, p99, count = walls(run, hooked)
  run.add("a before hook's own time in a request", ("p50 %.2f ms, p99 %.2f ms (%d runs)"):format(p50,
    p99, count), "p99 1 ms")
  run.add("the same report with a rule in front of it and without, side by side",
    ("p50 %+.2f ms, p99 %+.2f ms, processors %.0f %% busy"):format(results.median(adds),
      results.median(adds_late), results.median(load_percent)), "p99 +1 ms, below 60 % CPU")
  run.add("with rules in front of something else", ("p50 %+.2f ms"):format(results.median(costs)),
    "nothing")
end

return M
