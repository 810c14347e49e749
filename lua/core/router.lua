-- Finds the route of a method and path. Compiled when the routes are added: paths without
-- parameters are one table look-up, the others walk a trie of segments in which a fixed segment
-- comes before a parameter. `*name` takes one or more segments, slashes included; after it there is
-- nothing, or fixed segments ("/files/*path/enable"). It is tried last, the longest ending first.
--
-- A leaf is { methods = {GET = route...}, allow = "GET, HEAD, OPTIONS" }. Parameter names belong
-- to the route, so two routes may name the same segment differently.

local M = {}

local Router = {}
Router.__index = Router

local find, sub = string.find, string.sub

local NO_VALUES = {}

function M.new()
  return setmetatable({ fixed = {}, root = { fixed = {} } }, Router)
end

local function decode_char(hex)
  return string.char(tonumber(hex, 16))
end

--- Undoes percent-encoding; nil when it is malformed or hides a NUL.
function M.decode(text)
  if not find(text, "%", 1, true) then
    return text
  end
  local _, escapes = text:gsub("%%%x%x", "")
  local _, percents = text:gsub("%%", "")
  if escapes ~= percents then
    return nil
  end
  local decoded = text:gsub("%%(%x%x)", decode_char)
  return not find(decoded, "%z") and decoded or nil
end

local function refresh_allow(leaf)
  local names = {}
  for method in pairs(leaf.methods) do
    names[#names + 1] = method
  end
  if leaf.methods.GET and not leaf.methods.HEAD then
    names[#names + 1] = "HEAD"
  end
  names[#names + 1] = "OPTIONS"
  table.sort(names)
  leaf.allow = table.concat(names, ", ")
end

-- The node of what follows a parameter of many segments; the ending is text ("" or "/enable").
local function rest_of(node, ending)
  node.rests = node.rests or {}
  for _, rest in ipairs(node.rests) do
    if rest.ending == ending then
      return rest
    end
  end
  local rest = { ending = ending }
  table.insert(node.rests, rest)
  table.sort(node.rests, function(a, b)
    return #a.ending > #b.ending
  end)
  return rest
end

--- Adds a route under a full path such as "/api/v1/reports/:id". Raises when method and path
-- are taken.
-- @return the names of the path's parameters, in order
function Router:add(method, path, route)
  local names = {}
  local node = self.root
  local start, many, ending = path:match("^(.-)/%*([%w_]+)(.*)$")
  for segment in (start or path):gmatch("/([^/]*)") do
    local name = segment:match("^:(.+)$")
    if name then
      names[#names + 1] = name
      node.param = node.param or { fixed = {} }
      node = node.param
    else
      node.fixed[segment] = node.fixed[segment] or { fixed = {} }
      node = node.fixed[segment]
    end
  end
  if many then
    names[#names + 1] = many
    node = rest_of(node, ending)
  end
  local leaf = node.leaf or { methods = {} }
  node.leaf = leaf
  if leaf.methods[method] then
    error(method .. " " .. path .. " exists already", 0)
  end
  leaf.methods[method] = route
  refresh_allow(leaf)
  if #names == 0 then
    self.fixed[path] = leaf
  end
  return names
end

local function walk_rests(rests, path, start, values, count)
  for _, rest in ipairs(rests or NO_VALUES) do
    local last = #path - #rest.ending
    if last >= start and sub(path, last + 1) == rest.ending then
      values[count + 1] = sub(path, start, last)
      return rest.leaf, count + 1
    end
  end
  return nil, count
end

-- `values` holds what the parameters on the way here matched; longer than `count` after a dead
-- end, so `count` is what counts.
local function walk(node, path, start, values, count)
  if not start then
    return node.leaf, count
  end
  local slash = find(path, "/", start, true)
  local segment = sub(path, start, slash and slash - 1)
  local following = slash and slash + 1
  local child = node.fixed[segment]
  if child then
    local leaf, total = walk(child, path, following, values, count)
    if leaf then
      return leaf, total
    end
  end
  if node.param and segment ~= "" then
    values[count + 1] = segment
    local leaf, total = walk(node.param, path, following, values, count + 1)
    if leaf or not node.rests then
      return leaf, total
    end
  end
  return walk_rests(node.rests, path, start, values, count)
end

--- Finds what answers at a raw path (percent-encoded, without query).
-- @return leaf {methods=, allow=} or nil, and the raw values of the parameters in order
function Router:match(path)
  local leaf = self.fixed[path]
  if leaf then
    return leaf, NO_VALUES
  end
  local values = {}
  leaf = walk(self.root, path, 2, values, 0)
  return leaf, values
end

return M
