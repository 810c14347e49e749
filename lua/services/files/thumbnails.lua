--- Smaller versions of pictures, made when first asked for and kept in the cache folder. Several
-- requests for the same one in a worker wait for the one that makes it.

local errors = require("core.errors")
local fs = require("core.fs")
local image = require("core.image")
local task = require("core.task")
local content = require("services.files.content")

local M = {}

local WAIT_MS = 20000
local RETRIES = 3

local making = {} -- path -> signal, notified when it is there or has failed

local function make(source, path, options)
  local made = content.temporary()
  local done, err = image.thumbnail(source, made, options)
  if done then
    done, err = content.move(made, path)
  else
    fs.unlink(made)
  end
  return done, err
end

--- The path and size of a thumbnail. Waits; raises when the picture cannot be read.
-- @param file a row of files
-- @param options {width, height, fit, format}
function M.get(file, options)
  local name = ("%s-%dx%d-%s.%s"):format(file.sha256, options.width, options.height, options.fit,
    options.format)
  local path = ("%s/%s/%s/%s"):format(content.thumbnail_root(), name:sub(1, 2), name:sub(3, 4),
    name)
  for _ = 1, RETRIES do
    local found = fs.stat(path)
    if found then
      return { path = path, size = found.size, name = name }
    elseif making[path] then
      making[path]:wait(WAIT_MS)
    else
      local signal = task.signal()
      making[path] = signal
      local ok, done, err = pcall(make, content.path(file.path), path, options)
      making[path] = nil
      signal:notify()
      if not ok then
        error(done, 0)
      elseif not done then
        errors.check(nil, err)
      end
    end
  end
  errors.raise("SERVICE_UNAVAILABLE", "The picture is not ready yet")
end

return M
