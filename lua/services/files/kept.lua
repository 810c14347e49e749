--- Contents that belong to a person and not to a tenant, and what people have uploaded anywhere.

local uuid = require("core.uuid")
local content = require("services.files.content")
local store = require("services.files.store")

local M = {}

--- Keeps a content of pictures.make_square, in the caller's transaction.
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
