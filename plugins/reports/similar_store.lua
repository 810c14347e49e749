-- SQL of the search for reports that may be the same hazard as a new one.
--
-- It runs for every new report, so its texts are put together once, and it costs the same however
-- many reports there are: of those close by it reads the recent ones of a few areas (reports_area),
-- of the newest a bounded number. The keys are named, since the server would weigh all of the
-- table's each time. Columns are few and short: it sorts and unites them in memory.

local new_table = require("table.new")
local db = require("core.db")
local time = require("core.time")
local geo = require("plugins.reports.rules.geo")
local states = require("plugins.reports.rules.states")

local M = {}

local AREA_LETTERS = 5 -- of a cell in the column `area`: about 5 km by 5 km
local AREAS_MAX = 16
local FEW_AREAS = 4 -- that a search needs but for the far north and south
local EXAMINED = 50 -- reports whose words are looked at, close by and of the newest
local PARAMS = 56 -- that a search with a few areas binds
local CANDIDATES = 6 -- that each of the parts finds at most

local RECENT = "r.tenant_id = :tenant AND r.created_at >= ? AND r.deleted_at IS NULL"
  .. " AND r.status NOT IN ('" .. table.concat(states.NO_HAZARD, "','") .. "') AND r.id <> ?"

-- See the distance of store.lua. Parameters: latitude, longitude, latitude.
local DISTANCE = [[(SQRT(POW(r.latitude - ?, 2)
  + POW((r.longitude - ?) * COS(RADIANS(?)), 2)) * 111195.08)]]

-- Titles that hold at least half of the words, wherever in them: more than are alike, never fewer.
local ALIKE_WORDS = 6 -- of a title; more are not looked for
local NO_WORD = "" -- as a pattern it is only the empty title, which there is not
local ALIKE = "(" .. ("(r.title LIKE ?) + "):rep(ALIKE_WORDS):sub(1, -4) .. ") * 2 >= ?"

-- Those within a box around a place. `areas` of 0: of any, near the poles.
local function around(areas, more)
  return "SELECT r.id, r.title, r.category, " .. DISTANCE .. " AS distance FROM reports r"
    .. " FORCE INDEX (reports_area) WHERE " .. RECENT
    .. (areas > 0 and " AND r.area IN (" .. ("?,"):rep(areas):sub(1, -2) .. ")" or "")
    .. " AND r.latitude BETWEEN ? AND ? AND r.longitude BETWEEN ? AND ?" .. more
end

local function alike(candidates)
  return "(SELECT r.id, r.title, r.category, r.distance FROM (" .. candidates .. " LIMIT "
    .. EXAMINED .. ") r WHERE " .. ALIKE .. " LIMIT " .. CANDIDATES .. ")"
end

local function close_sql(areas)
  return "(" .. around(areas, " AND r.category = ? HAVING distance <= ? ORDER BY distance LIMIT "
    .. CANDIDATES) .. ")"
end

local function alike_sql(areas)
  return alike(around(areas, " HAVING distance <= ?"))
end

local NEWEST = alike("SELECT r.id, r.title, r.category, NULL AS distance FROM reports r"
  .. " FORCE INDEX (reports_created) WHERE " .. RECENT .. " ORDER BY r.created_at DESC")

local texts = {} -- [number made of what it looks for] = SQL: few

-- @param close, far the numbers of areas to look at for the place and for words; nil: not at all
local function text_of(close, far, has_words)
  local key = (close or -1) * 1000 + (far or -1) * 10 + (has_words and 1 or 0)
  if not texts[key] then
    local parts = {}
    parts[#parts + 1] = close and close_sql(close)
    parts[#parts + 1] = far and alike_sql(far)
    parts[#parts + 1] = has_words and NEWEST or nil
    texts[key] = table.concat(parts, " UNION ALL ")
  end
  return texts[key]
end

-- The areas that a box touches, the last one repeated until a statement of few serves: it changes
-- nothing. Empty when they are too many.
local function areas_of(box)
  local areas = geo.cells(box, AREA_LETTERS, AREAS_MAX) or {}
  local wanted = #areas > FEW_AREAS and AREAS_MAX or #areas > 0 and FEW_AREAS or 0
  for i = #areas + 1, wanted do
    areas[i] = areas[i - 1]
  end
  return areas
end

-- Adds what `around` binds, but for what comes behind the box.
local function add_around(params, report, since, areas, box)
  local n = #params
  params[n + 1], params[n + 2], params[n + 3] = report.latitude, report.longitude, report.latitude
  params[n + 4], params[n + 5] = since, report.id
  n = n + 5
  for i = 1, #areas do
    params[n + i] = areas[i]
  end
  n = n + #areas
  params[n + 1], params[n + 2] = box.south, box.north
  params[n + 3], params[n + 4] = box.west, box.east
end

-- What ALIKE binds. The words are letters and digits: nothing in them is to be escaped.
local function patterns_of(list)
  local patterns = {}
  for i = 1, ALIKE_WORDS do
    patterns[i] = list[i] and "%" .. list[i] .. "%" or NO_WORD
  end
  patterns[ALIKE_WORDS + 1] = math.max(1, 2 * math.min(#list, ALIKE_WORDS) - #list)
  return patterns
end

local function add_all(params, values)
  local n = #params
  for i = 1, #values do
    params[n + i] = values[i]
  end
end

--- Returns {id, title, category, distance} of living reports that may be the same hazard: of its
-- category and close by, nearest first; then those with some of its words, out of a bounded number
-- close by and of the newest.
-- @param report a row with its id, category and its place, if it has one
-- @param options {since, words, radius, words_radius}
function M.find(ctx, report, options)
  local since, has_words = time.db(options.since), #options.words > 0
  local patterns = has_words and patterns_of(options.words)
  local latitude, longitude = report.latitude, report.longitude
  local params, close, far = new_table(PARAMS, 0), nil, nil
  if latitude then
    local box = geo.box_around(latitude, longitude, options.radius)
    close = areas_of(box)
    add_around(params, report, since, close, box)
    params[#params + 1] = report.category
    params[#params + 1] = options.radius
    if has_words then
      box = geo.box_around(latitude, longitude, options.words_radius)
      far = areas_of(box)
      add_around(params, report, since, far, box)
      params[#params + 1] = options.words_radius
      add_all(params, patterns)
    end
  end
  if has_words then
    params[#params + 1] = since
    params[#params + 1] = report.id
    add_all(params, patterns)
  elseif not close then
    return {}
  end
  return db.scope(ctx):query(text_of(close and #close, far and #far, has_words), unpack(params))
end

return M
