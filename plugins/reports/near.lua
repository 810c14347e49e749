-- Reports close to a place: what may be the same hazard, and what is around.

local json = require("core.json")
local time = require("core.time")
local similar_store = require("plugins.reports.similar_store")
local states = require("plugins.reports.rules.states")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")
local words = require("plugins.reports.rules.words")

local M = {}

local HOUR_MS = 3600 * 1000
local DUPLICATE_DAYS = 14
local DUPLICATE_RADIUS_M = 50
local SIMILAR_RADIUS_M = 1000 -- within which similar words are looked for, besides the newest
local MAX_DUPLICATES = 5

local function is_duplicate(report, candidate, alike)
  return candidate.category == report.category and candidate.distance
    and candidate.distance <= DUPLICATE_RADIUS_M or alike(candidate.title)
end

--- Returns reports that may be the same hazard as this row, nearest first, as JSON: one bounded
-- query to find them, one to show them.
function M.possible_duplicates(ctx, report)
  local since = time.now_ms() - DUPLICATE_DAYS * 24 * HOUR_MS
  local own_words = words.list(report.title)
  local candidates = similar_store.find(ctx, report, { since = since, words = own_words,
    radius = DUPLICATE_RADIUS_M, words_radius = SIMILAR_RADIUS_M })
  local alike = words.matcher(own_words)
  local found, seen = {}, {}
  for _, candidate in ipairs(candidates) do
    local id = candidate.id
    if not seen[id] and is_duplicate(report, candidate, alike) then
      found[#found + 1] = id
      if #found == MAX_DUPLICATES then
        break
      end
    end
    seen[id] = true
  end
  return json.raw(#found == 0 and "[]"
    or "[" .. store.show_all(ctx, found, report, view.NEAR) .. "]")
end

--- Returns public views of reports around a position, nearest first, each with its distance.
function M.nearby(ctx, query)
  ctx:require_tenant()
  local found = json.array({})
  local rows = store.find_near(ctx, query.lat, query.lng, {
    radius = query.radius, limit = query.limit, hidden = states.NO_HAZARD,
  })
  for i, row in ipairs(rows) do
    row.distance = math.floor(row.distance + 0.5)
    found[i] = view.public(row)
  end
  return found
end

return M
