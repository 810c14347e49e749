--- Figures of many rounds as tables in Markdown.
local cjson = require("cjson")
local processes = require("tests.bench.processes")

local M = {}

local MIB = 1048576

local Results = {}
Results.__index = Results

function M.new()
  return setmetatable({ rounds = {} }, Results)
end

--- Keeps the figures of one measurement.
function Results:add(scenario, name, figures)
  local by_name = self.rounds[scenario] or {}
  self.rounds[scenario] = by_name
  by_name[name] = by_name[name] or {}
  table.insert(by_name[name], figures)
end

local function sorted(values)
  table.sort(values)
  return values
end

local function median(values)
  local n = #values
  return n % 2 == 1 and values[(n + 1) / 2] or (values[n / 2] + values[n / 2 + 1]) / 2
end

local function values_of(rounds, field)
  local values = {}
  for _, figures in ipairs(rounds or {}) do
    if figures[field] then
      values[#values + 1] = figures[field]
    end
  end
  return sorted(values)
end

--- The median of numbers.
function M.median(values)
  return median(sorted({ unpack(values) }))
end

-- Median of a figure, nil when there is none.
local function of(rounds, field)
  local values = values_of(rounds, field)
  return #values > 0 and median(values) or nil
end

-- With as many digits as a reader needs.
local function short(value)
  if not value then
    return "–"
  elseif value >= 100 then
    return ("%.0f"):format(value)
  elseif value >= 10 then
    return ("%.1f"):format(value)
  end
  return ("%.2f"):format(value)
end

local function spread(rounds, field)
  local values = values_of(rounds, field)
  if #values == 0 then
    return "–"
  end
  return ("%s (%s–%s)"):format(short(median(values)), short(values[1]), short(values[#values]))
end

-- Ours over theirs, round by round.
local function ratio(ours, theirs)
  local values = {}
  for i, figures in ipairs(theirs or {}) do
    local own = ours and ours[i]
    if own and own.cpu_us and figures.cpu_us and figures.cpu_us > 0 then
      values[#values + 1] = own.cpu_us / figures.cpu_us
    end
  end
  if #values == 0 then
    return "–"
  end
  sorted(values)
  return ("%.2f (%.2f–%.2f)"):format(median(values), values[1], values[#values])
end

local function over(value, by)
  return value and value / by
end

local function row(cells)
  return "| " .. table.concat(cells, " | ") .. " |"
end

local function header(names)
  local rules = {}
  for i = 1, #names do
    rules[i] = i == 1 and "---" or "--:"
  end
  return row(names), "|" .. table.concat(rules, "|") .. "|"
end

local function requests_table(results, scenario, contestants, add)
  local by_name = results.rounds[scenario.name]
  add(header({ "", scenario.sockets and "deliveries/s" or "requests/s", "p50 ms", "p99 ms",
    "server CPU µs each", contestants[1].label .. " ÷ it", "MariaDB µs", "Redis µs", "memory MiB" }))
  for _, contestant in ipairs(contestants) do
    local rounds = by_name[contestant.name]
    if rounds then
      local errors = of(rounds, "errors") or 0
      add(row({ contestant.label .. (errors > 0 and (" (%d errors)"):format(errors) or ""),
        short(of(rounds, "rate")), short(over(of(rounds, "p50_us"), 1000)),
        short(over(of(rounds, "p99_us"), 1000)), spread(rounds, "cpu_us"),
        contestant == contestants[1] and "1" or ratio(by_name.ours, rounds),
        short(of(rounds, "mariadb_us")), short(of(rounds, "redis_us")),
        short(over(of(rounds, "pss"), MIB)) }))
    end
  end
end

local SINGLE = {
  idle = { "each open WebSocket, KiB", function(rounds) -- later ones reuse what earlier ones left
    local values = values_of(rounds, "bytes_each")
    return short(over(values[#values], 1024))
  end },
  reload = { "reload, ms", function(rounds) return spread(rounds, "ms") end },
  start = { "start to ready, ms", function(rounds) return spread(rounds, "ms") end },
}

local function single_table(results, scenario, contestants, add)
  local by_name, single = results.rounds[scenario.name], SINGLE[scenario.name]
  local starts = scenario.start
  add(header({ "", single[1], starts and "memory after it, MiB" or nil }))
  for _, contestant in ipairs(contestants) do
    local rounds = by_name[contestant.name]
    if rounds then
      add(row({ contestant.label, single[2](rounds),
        starts and short(over(of(rounds, "pss"), MIB)) or nil }))
    end
  end
  local workers = starts and of(by_name.ours, "workers_pss")
  if workers then
    add("")
    add(("Fixxit's two HTTP workers alone: %s MiB."):format(short(workers / MIB)))
  end
end

--- The figures as Markdown.
-- @param options scenarios, contestants, statements (of statements.compare), turns (array of
--   {label, count, slow, longest_ms, cpu_slow, most_ms})
function Results:markdown(options)
  local lines = {}
  local function add(...)
    for _, line in ipairs({ ... }) do
      lines[#lines + 1] = line
    end
  end
  for _, scenario in ipairs(options.scenarios) do
    if self.rounds[scenario.name] then
      local statements = options.statements[scenario.name]
      local title = scenario.label:sub(1, 1):upper() .. scenario.label:sub(2)
      add("## " .. title, "")
      if statements then
        add(("%g statements a request, %s."):format(statements.count,
          statements.same and "the same ones from all servers"
          or "not the same ones from all servers: see the differences that the run prints"), "")
      end
      local as_table = SINGLE[scenario.name] and single_table or requests_table
      as_table(self, scenario, options.contestants, add)
      add("")
    end
  end
  if #options.turns > 0 then
    add("## Turns of Fixxit's event loops under this load", "")
    add(header({ "", "turns", "over 5 ms", "longest, ms", "over 5 ms of processor time",
      "most processor time, ms" }))
    for _, turns in ipairs(options.turns) do
      add(row({ turns.label, ("%d"):format(turns.count), ("%d"):format(turns.slow),
        short(turns.longest_ms), ("%d"):format(turns.cpu_slow), short(turns.most_ms) }))
    end
    add("", "What a turn took by the clock contains what the system ran meanwhile. The longest and "
      .. "the most are those of the last 10 to 20 s, so that the scenario before may show.", "")
  end
  return table.concat(lines, "\n")
end

local function first_line(command)
  local ok, text = pcall(processes.shell, command)
  return ok and text:match("[^\n]+") or "unknown"
end

-- Versions of what was compared, from npm's lock.
local function packages()
  local lock = cjson.decode(processes.read("tests/bench/rivals/package-lock.json"))
  local list = {}
  for name in pairs(lock.packages[""].dependencies) do
    list[#list + 1] = name .. " " .. lock.packages["node_modules/" .. name].version
  end
  table.sort(list)
  return table.concat(list, ", ")
end

--- Where and with what it was measured, as Markdown.
-- @param told array of further lines
-- @param is_alone whether there were no rivals
function M.machine(told, is_alone)
  local lines = {
    "- Processor: " .. first_line("sed -n 's/^model name.*: //p' /proc/cpuinfo") .. ", "
      .. first_line("nproc") .. " cores; memory " .. first_line("sed -n 's/^MemTotal: *//p' /proc/meminfo"),
    "- " .. first_line("uname -sr") .. ", " .. first_line(". /etc/os-release && echo $PRETTY_NAME")
      .. "; " .. first_line("mariadbd --version | sed 's/.*Ver //; s/ .*//; s/^/MariaDB /'")
      .. ", " .. first_line("redis-server --version | sed 's/.*v=\\([^ ]*\\).*/Redis \\1/'"),
    "- Fixxit " .. first_line("git rev-parse --short HEAD") .. (is_alone and "" or "; Node "
      .. first_line("node --version") .. " with " .. packages()),
  }
  for _, line in ipairs(told) do
    lines[#lines + 1] = "- " .. line
  end
  return table.concat(lines, "\n")
end

return M
