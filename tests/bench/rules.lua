-- make bench-rules: what tenants' rules cost, and what they do to others.
local contestants = require("tests.bench.contestants")
local processes = require("tests.bench.processes")
local results = require("tests.bench.results")
local worlds = require("tests.bench.world")
local api = require("tests.bench.rules.api")

local REPORTS = 10000
local DOCUMENT = "docs/benchmarks-rules.md"
local PEOPLE = 4 -- who may publish, of as many tenants
local DRAIN_S = 120
local PARTS = { "cost", "before", "neighbour", "publish", "memory" } -- memory stops the server

local HELP = [[
make bench-rules [NAME=VALUE...]   tenants' rules, in production's configuration
  ONLY=cost,before   what is measured (all: cost before neighbour publish memory)
  SECONDS=4          of a measurement
  ROUNDS=3           of which the median counts
  TRIES=10           publications
  TENANTS=1000       that have rules, for memory
  OUT=FILE           where the table goes besides the terminal (when everything was measured:
                     docs/benchmarks-rules.md, else nowhere)
]]

local function option(name, default)
  return tonumber(os.getenv(name) or "") or default
end

local function say(...)
  io.stderr:write("# ", string.format(...), "\n")
end

local function wants(name)
  local only = os.getenv("ONLY")
  return not only or ("," .. only .. ","):find("," .. name .. ",", 1, true) ~= nil
end

local function new_run()
  local ours = contestants.rivals(20900 + option("TEST_PORT", 0), REPORTS, option("TENANTS", 1000))[1]
  local run = { say = say, seconds = option("SECONDS", 4), rounds = option("ROUNDS", 3),
    tries = option("TRIES", 10), bin = os.getenv("BENCH_BIN") or "build/fixxit",
    tools = os.getenv("BENCH_TOOLS") or "build/bench", database = ours.database, rows = {} }
  local settings = { FIXXIT_LIMITS_SCALE = 10000 }

  -- A row of the table.
  function run.add(what, figure, goal)
    run.rows[#run.rows + 1] = { what, figure, goal }
    say("%s: %s (goal: %s)", what, figure, goal)
  end

  function run.start()
    return ours.start(run.world, ours, settings)
  end

  -- A node beside the server, on the same database.
  function run.start_second()
    local second = setmetatable({ port = ours.port + 1, name = "second" }, { __index = ours })
    return second.start(run.world, second, { FIXXIT_LIMITS_SCALE = 10000,
      FIXXIT_DATA = run.world.data .. "/second" })
  end

  function run.stop()
    if run.server then
      processes.stop(run.server.pid)
      run.server = nil
    end
  end

  -- Until nothing is left to be told to anybody.
  function run.drain()
    processes.await("the end of the outbox", DRAIN_S, function()
      return run.world:sql(run.database, "SELECT COUNT(*) FROM outbox") == "0\n" or processes.sleep(0.1)
    end)
  end
  return run, ours
end

local function make_world(run, ours)
  run.world = worlds.new({ databases = { { name = ours.database, reports = REPORTS,
    tenants = option("TENANTS", 1000) } }, bin = run.bin, tools = run.tools, buffer_pool = "1G",
    progress = say })
  run.made = run.world.seeds[ours.database]
  run.people = { unpack(run.made.people, 1, PEOPLE) }
  api.make_owners(run.world, ours.database, run.people)
end

local function table_of(run)
  local lines = { "| | measured | goal |", "|---|--:|--:|" }
  for i, row in ipairs(run.rows) do
    lines[i + 2] = "| " .. table.concat(row, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

local function write_out(run)
  local text = table.concat({ "# Tenants' rules: what they cost", "",
    "Written by `make bench-rules`; `tests/bench/README.md` tells what is measured and how. Goals are "
      .. "no limits: they say what a figure is to be read against.", "",
    results.machine({ ("%d rounds of %g s; medians over the rounds"):format(run.rounds, run.seconds),
      ("%d reports of %d tenants"):format(REPORTS, #run.made.people),
      "Load of the machine at the end: " .. processes.read("/proc/loadavg"):match("^%S+ %S+ %S+") }, true),
    "", table_of(run), "" }, "\n")
  print(text)
  local path = os.getenv("OUT") or not os.getenv("ONLY") and DOCUMENT
  if path then
    processes.write(path, text)
    say("written: %s", path)
  end
end

local function measure(run)
  for _, name in ipairs(PARTS) do
    if wants(name) then
      if not run.server and name ~= "cost" and name ~= "memory" then
        run.server = run.start()
      end
      say("%s", name)
      require("tests.bench.rules." .. name).run(run)
    end
  end
end

local function main()
  if os.getenv("HELP") then
    io.write(HELP)
    return
  end
  local run, ours = new_run()
  local ok, problem = xpcall(function()
    make_world(run, ours)
    measure(run)
    write_out(run)
  end, function(err)
    return type(err) == "string" and debug.traceback(err, 2) or err
  end)
  run.stop()
  if run.world then
    run.world:close()
  end
  if not ok then
    error(problem, 0)
  end
end

main()
