--- What differs between a tenant's releases.

local diff = require("services.scripts.diff")
local releases = require("services.scripts.releases")
local store = require("services.scripts.store")

local M = {}

local function files_of(ctx, row)
  return row and store.list_release_files(ctx, row.id) or {}
end

--- What a release changed over another, or over the one before it.
-- @param number, from of releases; 404 when there is none
-- @return as diff.of
function M.releases(ctx, number, from)
  local row = releases.get(ctx, number)
  local before = from and releases.get(ctx, from) or store.find_release_before(ctx, number)
  return diff.of(ctx, files_of(ctx, before), files_of(ctx, row))
end

--- What these files would change, {{path, content}, ...}, over those that run.
function M.with_files(ctx, files)
  local standing = store.find_standing(ctx)
  local id = standing and standing.release_id
  return diff.of(ctx, id and store.list_release_files(ctx, id) or {}, files)
end

return M
