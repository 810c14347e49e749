-- Drawn pictures as uploads.

local config = require("core.config")
local errors = require("core.errors")
local fs = require("core.fs")
local uuid = require("core.uuid")
local picture = require("plugins.demo.picture")

local M = {}

local LARGE = 100
local drawn = {} -- category and number -> PNG bytes

local function bytes_of(category, number)
  local key = category .. number
  drawn[key] = drawn[key] or picture.draw(category, number, number < LARGE and 1 or 2)
  return drawn[key]
end

--- A picture of that kind of hazard as an uploaded file in the folder for them.
-- @param number varies it; those from 100 on are small, and quickly drawn
function M.upload(category, number)
  local path = config.get().server.data .. "/tmp/seed-" .. uuid.v7() .. ".png"
  local bytes = bytes_of(category, number)
  errors.check(fs.write(path, bytes))
  return { name = "photos", filename = category .. ".png", type = "image/png", path = path,
    size = #bytes }
end

--- Removes what of these uploads is left.
function M.remove(uploads)
  for _, upload in ipairs(uploads) do
    fs.unlink(upload.path)
  end
end

return M
