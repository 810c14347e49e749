--- What the servers are asked. A scenario: name, label, `requests(seed)` (the list that wrk goes
-- through), and as far as it differs from the rest: connections, floor (whether fixed bytes can
-- answer it), database (whether it has statements to compare), uncached (as requests, such that no
-- cache answers), once (whether no request may come twice), warm_up (requests before anything is
-- measured); sockets, idle, reload, start: what measure.lua does instead.
local cjson = require("cjson")
local seed = require("tests.bench.seed")

local M = {}

local DISTINCT = 5000 -- requests of one scenario before they repeat
-- Each makes a statement of its own (as many cells around its place, as many words): few, so that
-- all are prepared on all connections when the measuring begins.
local BODIES = 40
local WATCHED = 100 -- codes that people keep asking for
local TRACK = "/api/v1/reports/track/"

local function person_of(made, i)
  local people = made.people
  return people[i % #people + 1]
end

local function cycle(count, make)
  return function(made)
    local list = {}
    for i = 1, count do
      list[i] = make(person_of(made, i), i)
    end
    return list
  end
end

local function of_reports(count, path, field, is_public)
  return cycle(count, function(person, i)
    local report = person.reports[i % #person.reports + 1]
    return { path = path .. report[field], token = not is_public and person.token or nil }
  end)
end

--- What is posted, also to cause an event.
function M.post(person, n)
  return { method = "POST", path = "/api/v1/reports", token = person.token,
    body = cjson.encode(seed.new_report(n)) }
end

-- Each file once: the second time its thumbnail would be there. In turns by tenant, like the rest.
local function thumbnails(made)
  local list, fewest = {}, math.huge
  for _, person in ipairs(made.people) do
    fewest = math.min(fewest, #person.files)
  end
  for i = 1, fewest do
    for _, person in ipairs(made.people) do
      list[#list + 1] = { path = "/api/v1/files/thumbnail/" .. person.files[i] .. "?w=320&h=320",
        token = person.token }
    end
  end
  return list
end

M.LIST = {
  { name = "json", label = "JSON reply", floor = true, requests = cycle(1, function()
    return { path = "/api/v1/health" }
  end) },
  { name = "one", label = "one report by id, JWT", floor = true, database = true,
    requests = of_reports(DISTINCT, "/api/v1/reports/", "id") },
  { name = "list", label = "a list of 20", floor = true, database = true,
    requests = cycle(DISTINCT, function(person)
      return { path = "/api/v1/reports?limit=20", token = person.token }
    end) },
  { name = "create", label = "a report created", database = true,
    requests = cycle(BODIES, M.post) },
  { name = "track", label = "tracking by code, from the cache", database = true,
    requests = of_reports(WATCHED, TRACK, "code", true),
    uncached = of_reports(DISTINCT, TRACK, "code", true) },
  { name = "thumbnail", label = "12-megapixel thumbnail", connections = 4, once = true,
    warm_up = 40, database = true, requests = thumbnails },
  { name = "fanout", label = "fan-out to 1000 sockets", sockets = 1000, warm_up = 50000 },
  { name = "idle", label = "5000 idle sockets", idle = 5000 },
  { name = "reload", label = "hot reload", reload = true },
  { name = "start", label = "start to ready", start = true },
}

return M
