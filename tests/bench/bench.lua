-- make bench: measures Fixxit beside its rivals. README.md in this folder tells how and why.
local bare = require("tests.bench.bare")
local contestants = require("tests.bench.contestants")
local load = require("tests.bench.load")
local measure = require("tests.bench.measure")
local processes = require("tests.bench.processes")
local results = require("tests.bench.results")
local scenarios = require("tests.bench.scenarios")
local statements = require("tests.bench.statements")
local worlds = require("tests.bench.world")

local HELP = [[
make bench [NAME=VALUE...]        measures Fixxit beside Fastify, Express and two floors
  ONLY=json,one     scenarios (all: json one list create track thumbnail fanout idle reload start)
  SERVERS=ours,fastify   contestants (all: ours fastify express fixed bare)
  SECONDS=5         of load in each measurement (10 with SCALE)
  ROUNDS=3          measurements of each, taken in turns
  REPORTS=10000 TENANTS=10   what is in the database
  SCALE=1           Fixxit alone on databases of three sizes (make bench-scale)
  OUT=FILE          where the tables go besides the terminal (when everything was measured:
                    docs/benchmarks.md, of SCALE docs/benchmarks-scale.md; else nowhere)
]]

local WARM_UP_REQUESTS, WARM_UP_TIMES = 3000, 5
local COMPARISON = { document = "docs/benchmarks.md", title = "Benchmarks", seconds = 5,
  warm_up_s = 3 }
-- Longer, or the first request of each tenant would be most of what is seen of a thousand.
local SCALING = { document = "docs/benchmarks-scale.md", seconds = 10, warm_up_s = 10,
  title = "Cost per request by the size of the database",
  only = { one = true, list = true, create = true, track = true } }

local function set_of(text)
  local set
  for name in (text or ""):gmatch("[^,%s]+") do
    set = set or {}
    set[name] = true
  end
  return set
end

local function read_options()
  local function number(name, default)
    return tonumber(os.getenv(name) or "") or default
  end
  local what = os.getenv("SCALE") and SCALING or COMPARISON
  local only = set_of(os.getenv("ONLY"))
  return {
    what = what,
    only = only or what.only,
    servers = set_of(os.getenv("SERVERS")),
    is_whole = not only and not os.getenv("SERVERS"),
    seconds = number("SECONDS", what.seconds),
    rounds = number("ROUNDS", 3),
    reports = number("REPORTS", 10000),
    tenants = number("TENANTS", 10),
    out = os.getenv("OUT"),
    port = 20900 + number("TEST_PORT", 0),
    bin = os.getenv("BENCH_BIN") or "build/fixxit",
    tools = os.getenv("BENCH_TOOLS") or "build/bench",
    modules = os.getenv("BENCH_MODULES"),
    buffer_pool = what == SCALING and "6G" or "1G",
  }
end

local function say(...)
  io.stderr:write("# ", string.format(...), "\n")
end

local function chosen(list, wanted)
  local found = {}
  for _, entry in ipairs(list) do
    if not wanted or wanted[entry.name] then
      found[#found + 1] = entry
    end
  end
  return found
end

local function with_database(list)
  local found = {}
  for _, contestant in ipairs(list) do
    if contestant.database then
      found[#found + 1] = contestant
    end
  end
  return found
end

-- Each server alone, before any load: what it asks the database for a request.
local function compare_statements(run)
  for _, contestant in ipairs(run.contestants) do
    if contestant.database then
      contestant.trial = contestant.start(run.world, contestant, { FIXXIT_SERVER_JOB_WORKERS = 0 })
    end
  end
  run.statements = statements.compare(run.world, with_database(run.contestants), run.scenarios, print)
  for _, contestant in ipairs(run.contestants) do
    if contestant.trial then
      processes.stop(contestant.trial.pid)
    end
  end
end

local function start_all(run)
  run.servers = {}
  for _, contestant in ipairs(run.contestants) do
    if not contestant.is_floor then
      run.servers[contestant.name] = contestant.start(run.world, contestant)
    end
  end
end

local function prepare(run, scenario)
  if scenario.requests then
    scenario.files = {}
    for database, made in pairs(run.world.seeds) do
      scenario.files[database] = ("%s/requests-%s-%s"):format(run.world.data, scenario.name,
        made.name)
      load.write_requests(scenario.files[database], scenario.requests(made))
    end
    scenario.answer = scenario.floor and statements.ask(run.ours,
      scenario.requests(run.world.seeds[run.ours.database])[1])
  end
end

local function measure_one(run, contestant, scenario, seconds)
  if contestant == bare then
    return bare.run(run.statements[scenario.name].sample,
      { world = run.world, database = run.ours.database, seconds = seconds })
  elseif not contestant.is_floor then
    return measure.run(run.world, run.servers[contestant.name], scenario, seconds)
  end
  local server = contestant.start(run.world, contestant, scenario.answer)
  local ok, figures = pcall(measure.run, run.world, server, scenario, seconds)
  processes.stop(server.pid)
  return ok and figures or error(figures, 0)
end

-- Whom a scenario can be asked of, in the order of every round.
local function field_of(run, scenario)
  local field = {}
  for _, contestant in ipairs(run.contestants) do
    if measure.fits(contestant, scenario) then
      field[#field + 1] = contestant
    end
  end
  if run.with_bare and scenario.floor and run.statements[scenario.name] then
    field[#field + 1] = bare
  end
  return field
end

local function is_load(scenario)
  return (scenario.requests or scenario.sockets) ~= nil
end

-- By a number of requests, not by time: on a busy machine a compiler would see too few of them.
local function warm_up_one(run, contestant, scenario)
  local wanted, requests = scenario.warm_up or WARM_UP_REQUESTS, 0
  for _ = 1, WARM_UP_TIMES do
    requests = requests + measure_one(run, contestant, scenario, run.options.what.warm_up_s).requests
    if requests >= wanted then
      return
    end
  end
  say("%s: %s is not warm after %d requests", scenario.name, contestant.label, requests)
end

local function warm_up(run)
  for _, scenario in ipairs(run.scenarios) do
    if is_load(scenario) then
      for _, contestant in ipairs(field_of(run, scenario)) do
        if run.servers[contestant.name] then
          warm_up_one(run, contestant, scenario)
        end
      end
    end
  end
end

local function measure_round(run, scenario, round)
  for _, contestant in ipairs(field_of(run, scenario)) do
    local watches = contestant.name == "ours" and is_load(scenario)
    local before = watches and measure.loop_turns(run.servers.ours)
    local figures = measure_one(run, contestant, scenario, run.options.seconds)
    if figures.requests == 0 then
      error(("%s: %s answered nothing within %d s: the machine is too busy"):format(scenario.name,
        contestant.label, run.options.seconds), 0)
    end
    run.results:add(scenario.name, contestant.name, figures)
    if watches then
      local after = measure.loop_turns(run.servers.ours)
      local turns = run.turns[scenario.name]
        or { label = scenario.label, count = 0, slow = 0, longest_ms = 0, cpu_slow = 0, most_ms = 0 }
      for _, name in ipairs({ "count", "slow", "cpu_slow" }) do
        turns[name] = turns[name] + after[name] - before[name]
      end
      turns.longest_ms = math.max(turns.longest_ms, after.longest_ms)
      turns.most_ms = math.max(turns.most_ms, after.most_ms)
      run.turns[scenario.name] = turns
    end
    say("round %d %-9s %-20s %s", round, scenario.name, contestant.label, figures.cpu_us
      and ("%8.0f/s %9.1f us"):format(figures.rate, figures.cpu_us)
      or figures.ms and ("%.0f ms"):format(figures.ms) or ("%.0f bytes"):format(figures.bytes_each))
  end
end

-- Those that start servers anew come after all load: what was warm would be cold.
local function measure_rounds(run, of_load)
  for round = 1, run.options.rounds do
    for _, scenario in ipairs(run.scenarios) do
      if is_load(scenario) == of_load then
        measure_round(run, scenario, round)
      end
    end
  end
end

local function turns_in_order(run)
  local list = {}
  for _, scenario in ipairs(run.scenarios) do
    list[#list + 1] = run.turns[scenario.name]
  end
  return list
end

local function document(run)
  local options = run.options
  local field = { unpack(run.contestants) }
  field[#field + 1] = bare
  return table.concat({
    "# " .. options.what.title, "",
    "Written by `make bench`; `tests/bench/README.md` tells what is measured and how. Figures are "
      .. "medians over the rounds, with the smallest and the largest in parentheses.", "",
    results.machine({
      ("%d rounds of %g s, 64 keep-alive connections (4 for pictures)"):format(options.rounds,
        options.seconds),
      ("%d reports of %d tenants, all in one town, written with one vocabulary"):format(
        options.reports, options.tenants),
      "MariaDB keeps every commit durable; its time and Redis's are counted apart",
      ("Load of the machine at the end: %s"):format(processes.read("/proc/loadavg"):match("^%S+ %S+ %S+")),
    }), "",
    run.results:markdown({ scenarios = run.scenarios, contestants = field,
      statements = run.statements, turns = turns_in_order(run) }),
  }, "\n")
end

local function write_out(run, text)
  local options = run.options
  local path = options.out or options.is_whole and options.what.document
  print(text)
  if path then
    processes.write(path, text)
    say("written: %s", path)
  end
end

local function compete(run)
  local needs_check = false
  for _, scenario in ipairs(run.scenarios) do
    needs_check = needs_check or scenario.database
  end
  if needs_check and run.options.what == COMPARISON then
    compare_statements(run)
  end
  start_all(run)
  for _, scenario in ipairs(run.scenarios) do
    prepare(run, scenario)
  end
  say("warming up")
  warm_up(run)
  measure_rounds(run, true)
  measure_rounds(run, false)
  write_out(run, document(run))
end

local function stop_all(run)
  for _, server in pairs(run.servers) do
    processes.stop(server.pid)
  end
  if run.world then
    run.world:close()
  end
end

local function main()
  if arg[1] == "--help" or os.getenv("HELP") then
    io.write(HELP)
    return 0
  end
  local options = read_options()
  local scales = options.what == SCALING
  local all = scales and contestants.sizes(options.port)
    or contestants.rivals(options.port, options.reports, options.tenants)
  if options.servers then
    options.servers.ours = true -- what the others are compared with
  end
  local run = { options = options, ours = all[1], contestants = chosen(all, options.servers),
    scenarios = chosen(scenarios.LIST, options.only), results = results.new(), servers = {},
    statements = {}, turns = {},
    with_bare = not scales and (not options.servers or options.servers.bare) }
  local databases = {}
  for i, contestant in ipairs(with_database(run.contestants)) do
    databases[i] = { name = contestant.database, reports = contestant.reports,
      tenants = contestant.tenants }
  end
  options.databases, options.progress = databases, function(text) say("%s", text) end
  local ok, problem = xpcall(function()
    run.world = worlds.new(options)
    compete(run)
  end, function(err)
    return type(err) == "string" and debug.traceback(err, 2) or err
  end)
  stop_all(run)
  if not ok then
    io.stderr:write("bench: ", tostring(problem), "\n")
    return 1
  end
  return 0
end

os.exit(main())
