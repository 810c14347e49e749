--- Contents that belong to a person and not to a tenant, and what people have uploaded anywhere.

local errors = require("core.errors")
local fs = require("core.fs")
local uuid = require("core.uuid")
local content = require("services.files.content")
local store = require("services.files.store")

local M = {}

--- A path for a file in the making; what is left there is swept up. Waits.
M.temporary = content.temporary

--- Moves a finished file into the store. Waits; outside any transaction.
-- @return {sha256, path, type, size} to give to M.keep
function M.store(path, type)
  local sha256 = errors.check(fs.hash(path))
  local size = errors.check(fs.stat(path)).size
  return { sha256 = sha256, path = content.install(path, sha256), type = type, size = size }
end

--- Keeps a content of M.store or pictures.make_square, in the caller's transaction.
-- @return the file's id
function M.keep(ctx, made)
  local id = uuid.v7()
  store.insert_kept(ctx, {
    id = id,
    sha256 = made.sha256,
    store = "local",
    path = made.path,
    file_type = made.type,
    file_size = made.size,
    width = made.width,
    height = made.height,
    uploaded_by = ctx.actor.user_id,
  })
  return id
end

--- Lets go of it, in the caller's transaction; the content is swept up later.
M.drop = store.delete_kept

--- {path (where it lies), type, size, sha256}, or nil.
function M.find(ctx, id)
  local row = store.find_kept(ctx, id)
  return row and { path = content.path(row.path), type = row.file_type, size = row.file_size,
    sha256 = row.sha256 }
end

--- What this service holds of a person: the contents themselves stay with what they were put on.
M.personal = {
  export = function(ctx, user_id, add)
    for _, row in ipairs(store.list_uploads(ctx, user_id)) do
      add.file(("files/%s.%s"):format(row.id, row.file_type:match("[%w]+$")),
        content.path(row.path))
    end
  end,
  erase = function(ctx, user_id)
    store.forget_names(ctx, user_id)
  end,
}

return M
