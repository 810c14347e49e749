-- Characters of UTF-8 text.

local M = {}

local byte = string.byte

--- Whether the text is valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
function M.is_utf8(value)
  local i = value:find("[\128-\255]")
  while i do
    local first, second = byte(value, i, i + 1)
    local tail
    if first >= 0xC2 and first <= 0xDF then
      tail = 1
    elseif first >= 0xE0 and first <= 0xEF then
      tail = 2
    elseif first >= 0xF0 and first <= 0xF4 then
      tail = 3
    else
      return false
    end
    second = second or 0
    if first == 0xE0 and second < 0xA0 or first == 0xED and second > 0x9F
      or first == 0xF0 and second < 0x90 or first == 0xF4 and second > 0x8F then
      return false
    end
    for k = i + 1, i + tail do
      local continuation = byte(value, k)
      if not continuation or continuation < 0x80 or continuation > 0xBF then
        return false
      end
    end
    i = value:find("[\128-\255]", i + tail + 1)
  end
  return true
end

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

--- The number of characters.
function M.length(value)
  local _, continuations = value:gsub("[\128-\191]", "")
  return #value - continuations
end

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
