-- make bench-identity: what it costs to know who asks, and what sign-ins that wait do to the others.
local contestants = require("tests.bench.contestants")
local load = require("tests.bench.load")
local measure = require("tests.bench.measure")
local processes = require("tests.bench.processes")
local results = require("tests.bench.results")
local worlds = require("tests.bench.world")

local REPORTS, TENANTS = 10000, 10
local CONNECTIONS = 64
local WAITING = 32 -- sign-ins at a time: the queue never refuses one, who would come again at once
local ADDRESSES = 20000 -- none comes so often that it is locked
local WARM_UP_S, EMPTY_S = 3, 300
local WORKERS = 2 -- each has its own order
local API_KEY = "fxk_" .. ("b"):rep(51)

local HELP = [[
make bench-identity [NAME=VALUE...]   Fixxit alone, in production's configuration
  SECONDS=5    of each measurement
  ROUNDS=5     of which the median counts
]]

local function option(name, default)
  return tonumber(os.getenv(name) or "") or default
end

local function say(...)
  io.stderr:write("# ", string.format(...), "\n")
end

local function sha256(text)
  return processes.shell(("printf %%s '%s' | sha256sum"):format(text)):match("^%x+")
end

local function make_key(world, database, person)
  world:sql(database, ("INSERT INTO api_keys (id, tenant_id, user_id, name, prefix, key_hash, scopes, "
    .. "ip_allow_list) VALUES (UUID(), '%s', '%s', 'bench', '%s', '%s', '[\"reports.read\"]', '[]');"):format(
    person.tenant_id, person.user_id, API_KEY:sub(1, 12), sha256(API_KEY)))
end

local function requests_of(world, name, list)
  local path = world.data .. "/requests-" .. name
  load.write_requests(path, list)
  return path
end

local function write_requests(world, made)
  local person, reports, logins = made.people[1], {}, {}
  for i, report in ipairs(person.reports) do
    reports[i] = { path = "/api/v1/reports/" .. report.id, token = person.token }
  end
  for i = 1, ADDRESSES do
    logins[i] = { method = "POST", path = "/api/v1/auth/login",
      body = ('{"email":"nobody%d@bench.example","password":"Nobody-knows-%d"}'):format(i, i) }
  end
  local public = "/api/v1/reports/categories" -- from memory, for everybody
  return {
    nobody = requests_of(world, "nobody", { { path = public, header = "X-Tenant: bench-1" } }),
    token = requests_of(world, "token", { { path = public, token = person.token } }),
    key = requests_of(world, "key", { { path = public, header = "X-API-Key: " .. API_KEY } }),
    reports = requests_of(world, "reports", reports),
    logins = requests_of(world, "logins", logins),
  }
end

-- CPU of the loops (without the hashes) for each request of a file.
local function cost(run, name)
  local turns = measure.loop_turns(run.server)
  local normal, lower = processes.cpu_by_priority_us(run.server.pid)
  local told = load.http({ port = run.server.port, requests = run.files[name], seconds = run.seconds,
    connections = CONNECTIONS })
  local normal_after, lower_after = processes.cpu_by_priority_us(run.server.pid)
  local turns_after = measure.loop_turns(run.server)
  if told.requests == 0 or told.errors > 0 then
    error(("%s: %d requests, %d errors"):format(name, told.requests, told.errors), 0)
  end
  return { cpu_us = (normal_after - normal) / told.requests, hashing_us = lower_after - lower,
    rate = told.requests / told.seconds, p99_ms = told.p99_us / 1000,
    turns = turns_after.count - turns.count, slow = turns_after.slow - turns.slow,
    longest_ms = turns_after.longest_ms }
end

-- Those whose clients are gone are hashed all the same: nobody is in the queue behind the last.
local function await_empty_queue(run)
  local answered = 0
  processes.await("the end of the sign-ins", EMPTY_S, function()
    local status = processes.shell(("curl -s -o /dev/null -w '%%{http_code}' -H 'Content-Type: application/json' "
      .. "-d '{\"email\":\"asks%d\",\"password\":\"x\"}' http://127.0.0.1:%d/api/v1/auth/login")
      :format(run.asked, run.server.port))
    run.asked = run.asked + 1 -- another address: one that fails too often is locked
    answered = status ~= "503" and answered + 1 or 0
    return answered == WORKERS or status == "503" and processes.sleep(1)
  end)
end

local function beside_logins(run, fn)
  local log = run.world.data .. "/logins.log"
  local logins = processes.spawn({ "wrk", "-t1", "-c" .. WAITING, "-d600s", "--timeout", "60s", "-s",
    "tests/bench/wrk.lua", ("http://127.0.0.1:%d/"):format(run.server.port) },
    { env = { BENCH_REQUESTS = run.files.logins, BENCH_FIRST = run.signed_in }, log = log })
  run.signed_in = run.signed_in + 1000 -- others than in the round before
  processes.sleep(1)
  local ok, result = pcall(fn)
  processes.stop(logins)
  await_empty_queue(run)
  return ok and result or error(result, 0)
end

-- How many sign-ins were answered with a class of status.
local function logins_answered(run, class)
  local text = processes.shell(("curl -sf http://127.0.0.1:%d/metrics"):format(run.server.port))
  for labels, count in text:gmatch("\nfixxit_http_requests_total{([^}]*)} (%d+)") do
    if labels:find("/auth/login", 1, true) and labels:find('"' .. class .. 'xx"', 1, true) then
      return tonumber(count)
    end
  end
  return 0
end

-- Medians of what it costs to know somebody, over the rounds' differences.
local function measure_callers(run)
  local extra = { token = {}, key = {} }
  for round = 1, run.rounds do
    local nobody = cost(run, "nobody")
    for name, list in pairs(extra) do
      list[round] = cost(run, name).cpu_us - nobody.cpu_us
    end
    say("round %d: nobody %.1f us, a token %+.1f, an API key %+.1f", round, nobody.cpu_us,
      extra.token[round], extra.key[round])
  end
  print(("A request by a verified token costs %.1f us of CPU more than one by nobody, by an API key %.1f.")
    :format(results.median(extra.token), results.median(extra.key)))
end

local function add_turns(sum, figures)
  sum.turns, sum.slow = sum.turns + figures.turns, sum.slow + figures.slow
  sum.longest_ms = math.max(sum.longest_ms, figures.longest_ms)
end

local function measure_logins(run)
  local rise, hashed = {}, {}
  local turns_alone = { turns = 0, slow = 0, longest_ms = 0 }
  local turns_beside = { turns = 0, slow = 0, longest_ms = 0 }
  for round = 1, run.rounds do
    local alone = cost(run, "reports")
    local beside = beside_logins(run, function()
      return cost(run, "reports")
    end)
    rise[round] = 100 * (beside.cpu_us / alone.cpu_us - 1)
    hashed[round] = beside.hashing_us / 1e6 / run.seconds
    add_turns(turns_alone, alone)
    add_turns(turns_beside, beside)
    say("round %d: GET /reports/:id %.1f us alone (%.0f/s, p99 %.1f ms), %.1f beside %d sign-ins (%.0f/s, %.1f ms)",
      round, alone.cpu_us, alone.rate, alone.p99_ms, beside.cpu_us, WAITING, beside.rate, beside.p99_ms)
  end
  print(("%d sign-ins that wait take %.2f of a processor and raise the CPU of GET /reports/:id by %.1f %%.")
    :format(WAITING, results.median(hashed), results.median(rise)))
  print(("%d sign-ins were checked, %d found the queue full."):format(logins_answered(run, 4),
    logins_answered(run, 5)))
  for what, sum in pairs({ Meanwhile = turns_beside, Alone = turns_alone }) do
    print(("%s %d of %d turns of the loops took over 5 ms, the longest %.1f ms."):format(what, sum.slow,
      sum.turns, sum.longest_ms))
  end
end

local function main()
  if os.getenv("HELP") then
    io.write(HELP)
    return
  end
  local ours = contestants.rivals(20900 + option("TEST_PORT", 0), REPORTS, TENANTS)[1]
  local world = worlds.new({ databases = { { name = ours.database, reports = REPORTS, tenants = TENANTS } },
    bin = os.getenv("BENCH_BIN") or "build/fixxit", tools = os.getenv("BENCH_TOOLS"), buffer_pool = "1G",
    progress = say })
  local run = { world = world, seconds = option("SECONDS", 5), rounds = option("ROUNDS", 5), signed_in = 0,
    asked = 0 }
  local ok, problem = pcall(function()
    local made = world.seeds[ours.database]
    make_key(world, ours.database, made.people[1])
    run.files = write_requests(world, made)
    run.server = ours.start(world, ours, { FIXXIT_LIMITS_SCALE = 10000 })
    for _, name in ipairs({ "nobody", "token", "key", "reports" }) do
      load.http({ port = ours.port, requests = run.files[name], seconds = WARM_UP_S, connections = CONNECTIONS })
    end
    measure_callers(run)
    measure_logins(run)
    print("Load of the machine at the end: " .. processes.read("/proc/loadavg"):match("^%S+ %S+ %S+"))
  end)
  if run.server then
    processes.stop(run.server.pid)
  end
  world:close()
  if not ok then
    error(problem, 0)
  end
end

main()
