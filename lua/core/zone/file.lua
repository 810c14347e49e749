--- Reads a file of the time zone database (TZif, RFC 8536): when the offset from UTC changes, and
-- the rule by which it goes on. Files of version 2 and later only, whose times have 64 bits; those
-- that count leap seconds are no time of ours.

local rule = require("core.zone.rule")

local M = {}

local HEADER = 44
local VERSION_AT = 5
local COUNTS_AT = 21
local TYPE_SIZE = 6
local DAY_S = 86400

local function u32(text, at)
  local a, b, c, d = text:byte(at, at + 3)
  return a * 0x1000000 + b * 0x10000 + c * 0x100 + d
end

local function s32(text, at)
  local value = u32(text, at)
  return value < 0x80000000 and value or value - 0x100000000
end

local function s64(text, at)
  return s32(text, at) * 0x100000000 + u32(text, at + 4)
end

-- The header of a block at `at`, or nil: how many there are of each thing, and the block's size.
local function read_header(text, at, time_size)
  if #text < at + HEADER - 1 or text:sub(at, at + 3) ~= "TZif" then
    return nil
  end
  local counts = {}
  for i, name in ipairs({ "utc", "standard", "leap", "times", "types", "chars" }) do
    counts[name] = u32(text, at + COUNTS_AT - 1 + (i - 1) * 4)
  end
  counts.size = counts.times * (time_size + 1) + counts.types * TYPE_SIZE + counts.chars
    + counts.leap * (time_size + 4) + counts.standard + counts.utc
  return counts
end

-- The offsets of the kinds of time that the block has, or nil.
local function read_types(text, at, count)
  local offsets = {}
  for i = 1, count do
    local offset = s32(text, at + (i - 1) * TYPE_SIZE)
    if math.abs(offset) > DAY_S then
      return nil
    end
    offsets[i] = offset
  end
  return offsets
end

-- The changes that a block lists, or nil when it contradicts itself.
local function read_block(text, at, counts)
  local kinds_at = at + counts.times * 8
  local types = read_types(text, kinds_at + counts.times, counts.types)
  if not types or #types == 0 then
    return nil
  end
  local changes, last = {}, -math.huge
  for i = 1, counts.times do
    local change = s64(text, at + (i - 1) * 8)
    local offset = types[text:byte(kinds_at + i - 1) + 1]
    if not offset or change <= last then
      return nil
    end
    changes[i], last = { at = change, offset = offset }, change
  end
  return { first = types[1], changes = changes }
end

--- Reads the content of a file.
-- @return {first = offset before all changes, changes = {{at, offset}, ...} in order (seconds since
--   1970 UTC, seconds east of UTC), rule = core.zone.rule or nil}; or nil when it is no such file
function M.read(text)
  local old = read_header(text, 1, 4)
  if not old or text:byte(VERSION_AT) < ("2"):byte() then
    return nil
  end
  local at = 1 + HEADER + old.size
  local counts = read_header(text, at, 8)
  if not counts or counts.leap > 0 or #text < at + HEADER + counts.size then
    return nil
  end
  local found = read_block(text, at + HEADER, counts)
  local footer = text:match("^\n([^\n]*)\n", at + HEADER + counts.size)
  if not found or not footer then
    return nil
  end
  if footer ~= "" then
    found.rule = rule.read(footer)
    return found.rule and found
  end
  return found
end

return M
