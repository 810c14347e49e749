-- Characters of UTF-8 text.

local host = require("host.text")

local M = {}

--- Whether the text is valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
M.is_utf8 = host.is_utf8

--- Whether it holds control characters, tabs and line ends apart.
M.has_controls = host.has_controls

--- The text without white space at its ends. In one pass: a pattern such as "^%s*(.-)%s*$" takes
-- the square of the length of a run of spaces, which a client chooses.
function M.trim(value)
  local first = value:find("%S")
  if not first then
    return ""
  end
  local last = #value
  while value:find("^%s", last) do
    last = last - 1
  end
  return value:sub(first, last)
end

--- At most so many bytes of the text, whole characters only.
function M.cut(value, max)
  local last = math.min(#value, max)
  while last > 0 and last < #value and value:find("^[\128-\191]", last + 1) do
    last = last - 1
  end
  return value:sub(1, last)
end

--- The number of characters.
M.length = host.length

--- Whether the number of characters is within the limits, either of which may be nil. Characters
-- are counted only when the number of bytes does not decide.
function M.length_within(value, min, max)
  local bytes = #value
  if min and bytes < min then
    return false
  end
  if (not max or bytes <= max) and (not min or bytes >= min * 4) then
    return true
  end
  local length = M.length(value)
  return (not min or length >= min) and (not max or length <= max)
end

return M
