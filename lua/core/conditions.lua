-- Conditional requests and ranges (RFC 9110, 13 and 14), as functions of header texts.
--
-- A tag is the text between the quotes. The host sends a compressed body under the tag "x-gzip":
-- of the same version as "x", but other bytes, so it counts as "x" everywhere except where bytes
-- are put together (If-Range).

local time = require("core.time")

local M = {}

local GZIP_SUFFIX = "%-gzip$"
local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6,
  Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}
-- The three forms that RFC 9110 5.6.7 wants read: day, month, year, time.
local IMF_DATE = "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d) GMT$"
local RFC850_DATE = "^%a+, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d:%d%d:%d%d) GMT$"
local ASCTIME_DATE = "^%a%a%a (%a%a%a) ([ %d]%d) (%d%d:%d%d:%d%d) (%d%d%d%d)$"

--- "Sun, 06 Nov 1994 08:49:37 GMT"
function M.http_date(ms)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(ms / 1000))
end

-- A year of two digits is at most 50 years ahead.
local function full_year(two_digits)
  local now = tonumber(time.now():sub(1, 4))
  local year = now - now % 100 + tonumber(two_digits)
  return year > now + 50 and year - 100 or year
end

--- Milliseconds of an HTTP date, nil when it is none: such a condition counts as absent.
function M.parse_date(text)
  local day, month, year, clock = text:match(IMF_DATE)
  if not day then
    day, month, year, clock = text:match(RFC850_DATE)
    year = year and full_year(year)
  end
  if not day then
    month, day, clock, year = text:match(ASCTIME_DATE)
  end
  if not day or not MONTHS[month] then
    return nil
  end
  return time.parse(("%04d-%02d-%02dT%sZ"):format(year, MONTHS[month], day, clock))
end

--- Iterates over a list of tags: "W/" of a weak one or "", and the tag. A comma may stand inside
-- of the quotes.
function M.tags(header)
  return header:gmatch('(W?/?)"([^"]*)"')
end

local function same_version(tag, etag)
  return tag == etag or tag:gsub(GZIP_SUFFIX, "") == etag
end

--- If-None-Match: the tag of the list that is of this version (weak comparison), or `etag` for
-- "*"; nil when the client has another version.
function M.held_tag(header, etag)
  if header:find("^%s*%*%s*$") then
    return etag
  end
  for _, tag in M.tags(header) do
    if same_version(tag, etag) then
      return tag
    end
  end
  return nil
end

--- If-Match: whether a tag of the list is of this version (strong comparison).
function M.matches(header, etag)
  if header:find("^%s*%*%s*$") then
    return true
  end
  for weak, tag in M.tags(header) do
    if weak == "" and same_version(tag, etag) then
      return true
    end
  end
  return false
end

local function seconds(ms)
  return math.floor(ms / 1000)
end

local function changed_since(header, modified_ms)
  local since = header and modified_ms and M.parse_date(header)
  return since and seconds(modified_ms) > seconds(since)
end

local function unchanged_since(header, modified_ms)
  local since = header and modified_ms and M.parse_date(header)
  return since and seconds(modified_ms) <= seconds(since)
end

--- What the conditions of a GET or HEAD mean for a representation, in the order of RFC 9110
-- 13.2.2. `etag` and `modified_ms` may be nil.
-- @return "failed" (412), "held" and the tag that the client has (304), or nil
function M.evaluate(req, etag, modified_ms)
  local if_match, if_none_match = req:header("if-match"), req:header("if-none-match")
  if if_match then
    if not etag or not M.matches(if_match, etag) then
      return "failed"
    end
  elseif changed_since(req:header("if-unmodified-since"), modified_ms) then
    return "failed"
  end
  if if_none_match then
    local tag = etag and M.held_tag(if_none_match, etag)
    if tag then
      return "held", tag
    end
  elseif unchanged_since(req:header("if-modified-since"), modified_ms) then
    return "held", etag
  end
  return nil
end

-- If-Range: whether the client's part is of exactly these bytes. A date must be exact, too.
local function is_same_part(condition, etag, modified_ms)
  if condition:find('"', 1, true) then
    return etag ~= nil and condition == '"' .. etag .. '"'
  end
  local date = M.parse_date(condition)
  return date ~= nil and modified_ms ~= nil and seconds(date) == seconds(modified_ms)
end

--- The one range that is asked for.
-- @param header, condition the texts of Range and If-Range, or nil
-- @return start and length; nil when the whole is to be sent (no range, several, not understood,
--   or of another version); false when the range lies outside
function M.range(header, condition, size, etag, modified_ms)
  if not header or condition and not is_same_part(condition, etag, modified_ms) then
    return nil
  end
  local first, last = header:match("^[Bb][Yy][Tt][Ee][Ss]=[ \t,]*(%d*)%-(%d*)[ \t,]*$")
  first, last = tonumber(first), tonumber(last)
  if not first and not last or first and last and last < first then
    return nil -- is no range, and counts as none
  end
  if not first then
    if last > 0 and size == 0 then
      return nil -- all of nothing, which a 206 cannot say
    end
    local length = math.min(last, size)
    return length > 0 and size - length, length
  end
  if first >= size then
    return false
  end
  return first, math.min(last or size - 1, size - 1) - first + 1
end

return M
