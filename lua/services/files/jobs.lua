--- Sweeps up what belongs to nobody: contents that were stored but never attached, files left in
-- the making, thumbnails that nobody asked for lately.

local fs = require("core.fs")
local time = require("core.time")
local content = require("services.files.content")
local store = require("services.files.store")

local HOUR_MS = 3600000
local ORPHAN_MS = HOUR_MS
local THUMBNAIL_MS = 30 * 24 * HOUR_MS

-- The files in a folder that are older than age_ms.
local function old_files(folder, age_ms)
  local found = {}
  for _, name in ipairs(fs.list(folder) or {}) do
    local stat = fs.stat(folder .. "/" .. name)
    if stat and stat.type == "file" and time.now_ms() - stat.mtime_ms > age_ms then
      found[#found + 1] = name
    end
  end
  return found
end

-- Calls fn(folder) for every ab/cd below a root.
local function each_folder(root, fn)
  for _, first in ipairs(fs.list(root) or {}) do
    for _, second in ipairs(fs.list(root .. "/" .. first) or {}) do
      fn(("%s/%s/%s"):format(root, first, second))
    end
  end
end

local function sweep(ctx)
  local removed = 0
  local function remove(path)
    if fs.unlink(path) then
      removed = removed + 1
    end
  end
  each_folder(content.root(), function(folder)
    local names = old_files(folder, ORPHAN_MS)
    local used = store.find_used(ctx, names)
    for _, name in ipairs(names) do
      if not used[name] then
        remove(folder .. "/" .. name)
      end
    end
  end)
  each_folder(content.thumbnail_root(), function(folder)
    for _, name in ipairs(old_files(folder, THUMBNAIL_MS)) do
      remove(folder .. "/" .. name)
    end
  end)
  for _, name in ipairs(old_files(content.temporary_root(), ORPHAN_MS)) do
    remove(content.temporary_root() .. "/" .. name)
  end
  return { removed = removed }
end

return {
  handlers = {
    ["files.sweep"] = { run = sweep, timeout_ms = HOUR_MS, max_attempts = 2 },
  },
  schedules = {
    { name = "files.sweep", job = "files.sweep", every_ms = HOUR_MS },
  },
}
