--- What a request costs in statements, read from MariaDB's general log, and whether the rivals
-- issue the same ones.
local cjson = require("cjson")
local processes = require("tests.bench.processes")

local M = {}

local REQUESTS = 3 -- of each kind
local WARM_UP = 24 -- before them: every worker fills its caches

--- How many requests of a tenant it takes, from the first on.
M.SPAN = WARM_UP + REQUESTS

-- What Fixxit's processes read and write beside requests. Job workers are off while this looks.
local BACKGROUND = { "security_events", "event_log", "event_epochs", "leases", " jobs", "schedules",
  " nodes" }
-- What they know of who asks, for half a minute: not a part of each request.
local REMEMBERED = { "FROM sessions s JOIN users", "FROM tenants WHERE id" }
local WAIT_S = 0.6 -- until answers that go on behind the reply have ended

local function ask(contestant, request)
  local words = { "curl -s -i -A bench" }
  if request.token then
    words[#words + 1] = ("-H 'Authorization: Bearer %s'"):format(request.token)
  end
  if request.body then
    words[#words + 1] = ("-H 'Content-Type: application/json' -d '%s'"):format(request.body)
  end
  words[#words + 1] = ("'http://127.0.0.1:%d%s'"):format(contestant.port, request.path)
  local answer = processes.shell(table.concat(words, " "))
  local status = answer:match("^HTTP/1.1 (%d+)")
  if status ~= "200" and status ~= "201" then
    error(("%s %s: %s"):format(contestant.label, request.path, answer), 0)
  end
  return answer
end

--- A whole answer, head and body.
M.ask = ask

local function names_any(statement, names)
  for _, name in ipairs(names) do
    if statement:find(name, 1, true) then
      return true
    end
  end
  return false
end

-- In order: what the log escapes, texts and times, numbers, NULL among values, spaces.
local WITHOUT_VALUES = {
  { "\\[nt]", " " }, { "'[^']*'", "?" }, { "TIMESTAMP%?", "?" },
  { "%f[%w_]%d+%.?%d*%f[^%w_.]", "?" }, { "%-%?", "?" }, { "([(,=] ?)NULL%f[%W]", "%1?" },
  { "%s+", " " }, { " ?([(),]) ?", "%1" }, { "^ ", "" }, { " $", "" },
}

-- A statement without its values, and with one space where there is any.
local function bare(statement)
  for _, change in ipairs(WITHOUT_VALUES) do
    statement = statement:gsub(change[1], change[2])
  end
  return statement
end

local function read_log(world)
  local found = {}
  local log = world:sql("mysql", "SELECT argument FROM general_log "
    .. "WHERE command_type IN ('Execute', 'Query') ORDER BY event_time")
  for line in log:gmatch("[^\n]+") do
    if not names_any(line, BACKGROUND) and not names_any(line, REMEMBERED)
      and not line:find("general_log", 1, true) then
      found[#found + 1] = line
    end
  end
  return found
end

-- Requests of the same tenant: who is asking is remembered after the first.
local function of_one_tenant(made, scenario)
  local all, list = (scenario.uncached or scenario.requests)(made), {}
  for i = 1, M.SPAN do
    list[i] = all[(i - 1) * #made.people % #all + 1]
  end
  return list
end

-- The statements of one request, with their values, as text in one line each.
local function trace(world, contestant, requests)
  for i = 1, WARM_UP do
    ask(contestant, requests[i])
  end
  processes.sleep(WAIT_S)
  world:sql("mysql", "TRUNCATE general_log; SET GLOBAL general_log = 1")
  for i = WARM_UP + 1, M.SPAN do
    ask(contestant, requests[i])
  end
  processes.sleep(WAIT_S)
  world:sql("mysql", "SET GLOBAL general_log = 0")
  return read_log(world)
end

local function sequence(log)
  local list = {}
  for _, statement in ipairs(log) do
    local text = bare(statement)
    local inside = text:match("^BEGIN NOT ATOMIC (.*) END$") -- a compound statement's, each with a ;
    for one in (inside or text .. ";"):gmatch("([^;]+); ?") do
      list[#list + 1] = one
    end
  end
  table.sort(list) -- what runs at the same time comes in any order
  return list
end

-- What each has that the other has not, as lines of a diff.
local function difference(ours, theirs)
  local counts = {}
  for _, statement in ipairs(ours) do
    counts[statement] = (counts[statement] or 0) - 1
  end
  for _, statement in ipairs(theirs) do
    counts[statement] = (counts[statement] or 0) + 1
  end
  local lines = {}
  for statement, count in pairs(counts) do
    if count ~= 0 then
      lines[#lines + 1] = ("%s %dx %s"):format(count < 0 and "-" or "+", math.abs(count), statement)
    end
  end
  table.sort(lines)
  return lines
end

-- The paths of all fields in an answer: "data.location.latitude", "data[].id".
local function add_fields(value, path, set)
  if type(value) ~= "table" then
    set[path] = true
    return
  end
  for name, item in pairs(value) do
    add_fields(item, type(name) == "number" and path .. "[]" or path .. "." .. name, set)
  end
end

local function fields_of(answer)
  local set, list = {}, {}
  local head, body = answer:match("^(.-)\r\n\r\n(.*)$")
  if head:lower():find("content-type: application/json", 1, true) then
    add_fields(cjson.decode(body), "", set)
  end
  for path in pairs(set) do
    list[#list + 1] = path
  end
  return list
end

local function tell(print, title, lines)
  if #lines > 0 then
    print(title)
    for _, line in ipairs(lines) do
      print("  " .. line)
    end
  end
end

--- Compares the contestants.
-- @param servers contestants that run and have a database, ours first
-- @param scenarios of load; those without `database` are passed over
-- @param print takes the differences
-- @return {scenario name = {count = statements of a request of ours, sample = them with their
--   values, same = whether all issue the same}}
function M.compare(world, contestants, scenarios, print)
  local found = {}
  for _, scenario in ipairs(scenarios) do
    if scenario.database then
      local requests = of_one_tenant(world.seeds[contestants[1].database], scenario)
      local log = trace(world, contestants[1], requests)
      local ours, fields = sequence(log), fields_of(ask(contestants[1], requests[1]))
      local entry = { count = #ours / REQUESTS, sample = {}, same = true }
      for i = 1, math.floor(#log / REQUESTS) do
        entry.sample[i] = log[i]:gsub("\\n", " "):gsub("\\t", " ")
      end
      for i = 2, #contestants do
        local rival = contestants[i]
        local theirs = trace(world, rival, requests)
        local lines = difference(ours, sequence(theirs))
        tell(print, ("%s: statements of %s (-: Fixxit's, +: its own; of %d requests)"):format(
          scenario.name, rival.label, REQUESTS), lines)
        tell(print, ("%s: fields of %s's answer"):format(scenario.name, rival.label),
          difference(fields, fields_of(ask(rival, requests[1]))))
        entry.same = entry.same and #lines == 0
      end
      found[scenario.name] = entry
    end
  end
  return found
end

return M
