--- Where contents lie: once per SHA-256, in <data>/files/ab/cd/<sha256>; what can be made again
-- from them in <data>/cache.

local config = require("core.config")
local errors = require("core.errors")
local fs = require("core.fs")
local uuid = require("core.uuid")

local M = {}

local function data()
  return config.get().server.data
end

--- The path of a content within the store, as the database keeps it.
function M.relative(sha256)
  return ("%s/%s/%s"):format(sha256:sub(1, 2), sha256:sub(3, 4), sha256)
end

function M.root()
  return data() .. "/files"
end

function M.path(relative)
  return M.root() .. "/" .. relative
end

function M.thumbnail_root()
  return data() .. "/cache/thumbs"
end

function M.temporary_root()
  return data() .. "/tmp"
end

--- A path for a file in the making. Waits.
function M.temporary()
  errors.check(fs.mkdir(M.temporary_root()))
  return M.temporary_root() .. "/" .. uuid.v7()
end

--- Moves a finished file to its place, durably; one that cannot go there goes altogether. Waits.
-- @return true; or nil, err
function M.move(path, to)
  local done, err = fs.install(path, to)
  if not done then
    fs.unlink(path)
  end
  return done, err
end

--- Moves a finished file to its place among the contents.
function M.install(path, sha256)
  local relative = M.relative(sha256)
  errors.check(M.move(path, M.path(relative)))
  return relative
end

return M
