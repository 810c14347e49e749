-- A route that is to go says so on every answer (RFC 9745, RFC 8594):
--   deprecated = { since = "2026-01-31", sunset = "2027-01-31", link = "https://docs.example/v2" }
-- `sunset` (when it ends) and `link` (what to use instead) may be left out.

local conditions = require("core.conditions")
local time = require("core.time")

local M = {}

local KEYS = { since = true, sunset = true, link = true }

--- What is wrong with such a table, or nil.
function M.problem(deprecated)
  for key in pairs(deprecated) do
    if not KEYS[key] then
      return "has an unknown key '" .. tostring(key) .. "'"
    end
  end
  local since = type(deprecated.since) == "string" and time.parse(deprecated.since)
  local sunset = type(deprecated.sunset) == "string" and time.parse(deprecated.sunset)
  if not since then
    return "needs the date since when"
  elseif deprecated.sunset ~= nil and not sunset then
    return "sunset must be a date"
  elseif sunset and sunset < since then
    return "cannot end before it is deprecated"
  elseif deprecated.link ~= nil
    and not (type(deprecated.link) == "string" and deprecated.link:find("^[!#-;=?-~]+$")) then
    return "link must be an address"
  end
end

--- The headers that say it.
function M.headers(deprecated)
  return {
    Deprecation = ("@%d"):format(math.floor(time.parse(deprecated.since) / 1000)),
    Sunset = deprecated.sunset and conditions.http_date(time.parse(deprecated.sunset)),
    Link = deprecated.link and ('<%s>; rel="deprecation"'):format(deprecated.link),
  }
end

return M
