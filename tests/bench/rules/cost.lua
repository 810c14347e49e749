--- What a run takes, and what each thing takes that it asks for: CPU of the worker and of the
-- process of the scripts together. inside.lua measures, in the host.
local processes = require("tests.bench.processes")
local results = require("tests.bench.results")

local M = {}

local RUN_GOAL, CALL_GOAL = "60", "50"
local RATE = 1000 -- as in inside.lua
local CALLED = { "reports.get", "kv.get", "kv.set", "reports.update", "notify" }

-- {name = {part = median}} of what it printed.
local function read(text)
  local figures = {}
  for name, part, us in text:gmatch("figure (%S+) (%S+) (%S+)\n") do
    figures[name] = figures[name] or {}
    figures[name][part] = figures[name][part] or {}
    table.insert(figures[name][part], tonumber(us))
  end
  for _, parts in pairs(figures) do
    for part, values in pairs(parts) do
      parts[part] = results.median(values)
    end
  end
  return figures
end

local function sum(parts)
  return parts.worker + parts.process
end

local function add_run(run, label, parts)
  run.add(label, ("%.0f µs (worker %.0f, process %.0f)"):format(sum(parts), parts.worker,
    parts.process), RUN_GOAL .. " µs")
end

-- What the machine takes for the way alone, at that rate and in this minute.
local function add_way(run)
  local values = {}
  for i = 1, run.rounds do
    values[i] = tonumber(processes.shell(("%s/pair %d %g"):format(run.tools, RATE, run.seconds / 4))
      :match("pair_us=(%S+)"))
  end
  run.add("a packet there and back between two processes in C that do nothing else, as often",
    ("%.0f µs"):format(results.median(values)), "none")
end

function M.run(run)
  local command = ("BENCH_SECONDS=%g BENCH_ROUNDS=%d %s test tests/bench/rules/inside.lua"):format(
    run.seconds / 4, run.rounds, run.bin)
  local figures = read(processes.shell(command))
  add_run(run, "a run that reads ten fields and decides, in front of a request, 1000 a second",
    figures.before)
  add_run(run, "the same, for an event", figures.on)
  add_run(run, "the same in front of a request, eight at a time without a pause", figures.busy)
  add_way(run)
  for _, name in ipairs(CALLED) do
    local work = sum(figures[name .. "-work"]) - sum(figures.asks)
    run.add(("a call of %s, beside what it does"):format(name), ("%.0f µs (and %.0f for what it does)")
      :format(sum(figures[name]) - sum(figures.counts) - work, work), CALL_GOAL .. " µs")
  end
  run.add("an action that no rule of the tenant stands in front of", ("%.1f µs; without any rule %.1f")
    :format(figures["other-rules"].worker, figures["no-rules"].worker), "nothing")
end

return M
