--- A tenant's files as a folder: tenants/<slug>/, or any other of that layout.

local errors = require("core.errors")
local fs = require("core.fs")
local sys = require("core.sys")
local paths = require("services.scripts.paths")

local M = {}

local DEPTH_MAX = 8

--- Where the folders of all tenants are.
function M.root()
  return sys.root() .. "/tenants"
end

--- Where a tenant's files are.
function M.of(slug)
  return M.root() .. "/" .. slug
end

local function walk(found, folder, prefix, depth)
  for _, name in ipairs(errors.check(fs.list(folder))) do
    local path = prefix .. name
    local stat = name:sub(1, 1) ~= "." and fs.stat(folder .. "/" .. name)
    if stat and stat.type == "dir" and depth < DEPTH_MAX then
      walk(found, folder .. "/" .. name, path .. "/", depth + 1)
    elseif stat and paths.problem(path) then
      found.others[#found.others + 1] = path
    elseif stat then
      found.files[#found.files + 1] = { path = path,
        content = errors.check(fs.read(folder .. "/" .. name, paths.RELEASE_MAX)) }
    end
  end
end

--- The files of a folder by path: {files = {{path, content}, ...}, others = the paths of what is no
-- script by its name}. Waits; nil when there is no such folder.
function M.read(folder)
  local stat = fs.stat(folder)
  if not stat or stat.type ~= "dir" then
    return nil
  end
  local found = { files = {}, others = {} }
  walk(found, folder, "", 1)
  table.sort(found.files, function(a, b)
    return a.path < b.path
  end)
  return found
end

--- Writes files into a folder; what else is there stays. Waits.
function M.write(folder, files)
  for _, file in ipairs(files) do
    local path = folder .. "/" .. file.path
    errors.check(fs.mkdir((path:gsub("/[^/]*$", ""))))
    errors.check(fs.write(path, file.content))
  end
end

--- The paths of a folder's files that are none of these: what is read together with them. Waits.
function M.list_others(folder, files)
  local known, others = {}, {}
  for _, file in ipairs(files) do
    known[file.path] = true
  end
  local found = M.read(folder)
  for _, file in ipairs(found and found.files or {}) do
    if not known[file.path] then
      others[#others + 1] = file.path
    end
  end
  return others
end

--- Removes a file of a folder. Waits.
function M.remove(folder, path)
  errors.check(fs.unlink(folder .. "/" .. path))
end

return M
