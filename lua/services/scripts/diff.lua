--- What differs between two sets of files, as unified diffs: those of diff(1).

local errors = require("core.errors")
local json = require("core.json")
local child = require("services.scripts.child")

local M = {}

local FROM, TO = "a", "b"

local function by_path(files)
  local map = {}
  for _, file in ipairs(files) do
    map[file.path] = file.content
  end
  return map
end

local function change_of(before, after)
  return before == nil and "added" or after == nil and "removed" or "changed"
end

-- The text behind each "diff ..." line, with headers that name the path alone.
local function split(output)
  local diffs, path, lines = {}, nil, nil
  for line in output:gmatch("([^\n]*)\n") do
    local started = line:match("^diff .* " .. TO .. "/(%S+)$")
    if started then
      path, lines = started, {}
      diffs[path] = lines
    elseif path then
      lines[#lines + 1] = line:match("^(%-%-%- %S+)\t") or line:match("^(%+%+%+ %S+)\t") or line
    end
  end
  return diffs
end

--- @param ctx whose tenant's they are
-- @param before, after {{path, content}, ...}
-- @return array of {path, change = "added", "changed" or "removed", diff = text}. Waits for a
--   child process.
function M.of(ctx, before, after)
  local old, new = by_path(before), by_path(after)
  local given, changes = {}, json.array({})
  local function compare(path)
    if old[path] ~= new[path] then
      changes[#changes + 1] = { path = path, change = change_of(old[path], new[path]) }
      given[#given + 1] = old[path] and { path = FROM .. "/" .. path, content = old[path] }
      given[#given + 1] = new[path] and { path = TO .. "/" .. path, content = new[path] }
    end
  end
  for path in pairs(old) do
    compare(path)
  end
  for path in pairs(new) do
    if old[path] == nil then
      compare(path)
    end
  end
  if #changes == 0 then
    return changes
  end
  -- Both folders must be there.
  given[#given + 1] = { path = FROM .. "/.keep", content = "" }
  given[#given + 1] = { path = TO .. "/.keep", content = "" }
  local code, output = child.run(ctx, { "diff", "-ruN", "--text", FROM, TO }, given)
  if not code then
    errors.raise("SERVICE_UNAVAILABLE", "The files take too long to compare")
  elseif code > 1 then
    error(("diff ended with %d: %s"):format(code, output:sub(1, 500)), 0)
  end
  local diffs = split(output)
  table.sort(changes, function(x, y)
    return x.path < y.path
  end)
  for _, change in ipairs(changes) do
    local lines = diffs[change.path]
    change.diff = lines and table.concat(lines, "\n") .. "\n" or ""
  end
  return changes
end

return M
