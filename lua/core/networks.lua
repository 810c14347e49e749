-- Networks as people write them ("10.0.0.0/8", "2001:db8::/32", one address alone), and whether an
-- address lies in one. Addresses are lists of eight 16-bit groups, IPv4 among them as
-- ::ffff:a.b.c.d.

local M = {}

local GROUPS, GROUP_BITS = 8, 16
local MAPPED_BITS = 96

local function octet(text)
  local value = #text <= 3 and not text:find("^0%d") and tonumber(text)
  return value and value <= 255 and value or nil
end

-- The two groups of an IPv4 address, or nil.
local function read_v4(text)
  local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if not a then
    return nil
  end
  a, b, c, d = octet(a), octet(b), octet(c), octet(d)
  if a and b and c and d then
    return a * 256 + b, c * 256 + d
  end
end

-- Appends the groups of a part without "::" to a list. @return whether it is well formed
local function read_groups(text, groups)
  if text == "" then
    return true
  end
  for part, separator in (text .. ":"):gmatch("([^:]*)(:)") do
    local high, low = read_v4(part)
    if high then
      groups[#groups + 1], groups[#groups + 2] = high, low
      return text:sub(-#part) == part and separator ~= nil
    elseif not part:find("^%x%x?%x?%x?$") then
      return false
    end
    groups[#groups + 1] = tonumber(part, 16)
  end
  return true
end

local function read_v6(text)
  local head, tail = text:match("^(.-)::(.*)$")
  local groups, behind = {}, {}
  if not read_groups(head or text, groups) or tail and not read_groups(tail, behind) then
    return nil
  end
  local missing = GROUPS - #groups - #behind
  if head and missing < 1 or not head and missing ~= 0 then
    return nil
  end
  for _ = 1, missing do
    groups[#groups + 1] = 0
  end
  for _, group in ipairs(behind) do
    groups[#groups + 1] = group
  end
  return groups
end

local function read_address(text)
  local high, low = read_v4(text)
  if high then
    return { 0, 0, 0, 0, 0, 0xffff, high, low }, true
  end
  return text:find(":", 1, true) and read_v6(text) or nil, false
end

--- Reads a network. @return it, or nil when the text is none
function M.parse(text)
  local address, bits = text:match("^([^/]+)/(%d+)$")
  local groups, is_v4 = read_address(address or text)
  local most = is_v4 and GROUPS * GROUP_BITS - MAPPED_BITS or GROUPS * GROUP_BITS
  bits = address and tonumber(bits) or most
  if not groups or bits > most then
    return nil
  end
  return { groups = groups, bits = bits + (is_v4 and MAPPED_BITS or 0) }
end

local function is_inside(network, groups)
  local left = network.bits
  for i = 1, GROUPS do
    if left <= 0 then
      return true
    end
    local unit = 2 ^ math.max(GROUP_BITS - left, 0)
    if math.floor(network.groups[i] / unit) ~= math.floor(groups[i] / unit) then
      return false
    end
    left = left - GROUP_BITS
  end
  return true
end

--- Whether an address lies in one of the networks. What is no address lies in none.
-- @param networks a list of what M.parse returned
function M.contain(networks, ip)
  local groups = read_address(ip)
  for _, network in ipairs(groups and networks or {}) do
    if is_inside(network, groups) then
      return true
    end
  end
  return false
end

return M
