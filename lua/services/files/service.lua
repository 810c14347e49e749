--- Uploads, their attachments, and who may see them: whoever may see a parent.

local stamps = require("core.stamps")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local registry = require("core.registry")
local reply = require("core.reply")
local uuid = require("core.uuid")
local audit = require("services.audit")
local shape = require("core.shape")
local pictures = require("services.files.pictures")
local store = require("services.files.store")

local M = {}

local URL = "/api/v1/files/"
--- What stands around a file's id in the address of its thumbnail.
M.THUMBNAIL_BEFORE, M.THUMBNAIL_AFTER = "/api/v1/files/thumbnail/", "?w=320&h=320"
local NAME_MAX = 255
local KINDS_MESSAGE = "must have at most %d files"

-- In the order of their names, as JSON is written where equal states must have equal texts.
local ATTACHMENT = shape.new({
  { "caption", "caption" },
  { "fileId", "file_id" },
  { "height", "height" },
  { "id", "id" },
  { "kind", "kind" },
  { "position", "position" },
  { "size", "file_size" },
  { "thumbnailUrl", "file_id", before = M.THUMBNAIL_BEFORE, after = M.THUMBNAIL_AFTER,
    only = "file_type", begins = pictures.TYPES },
  { "type", "file_type" },
  { "url", "file_id", before = URL },
  { "width", "width" },
})

local function shown(row)
  return ATTACHMENT:of(row)
end

--- Checks and stores the contents of uploads, outside any transaction: what is never attached is
-- swept up later.
-- @param uploads files of a multipart body, or nil
-- @param options max, kinds ("picture" or "any"), field (the part's name, for the error)
-- @return array to give to M.attach; each has gps = {latitude, longitude} when the picture had one
function M.prepare(_ctx, uploads, options)
  uploads = uploads or {}
  local field = options.field or "file"
  if options.max and #uploads > options.max then
    errors.validation({ { field = field, code = "length",
      message = KINDS_MESSAGE:format(options.max) } })
  end
  local prepared = {}
  for i, upload in ipairs(uploads) do
    prepared[i] = pictures.store(upload, ("%s[%d]"):format(field, i - 1),
      options.kinds or "picture")
  end
  return prepared
end

-- Without control characters and path, and whole characters only.
local function clean_name(name)
  name = (name or ""):gsub("[%c]", ""):match("[^/\\]*$"):sub(1, NAME_MAX)
  name = name:gsub("[\192-\255][\128-\191]*$", function(last)
    local first = last:byte()
    local wanted = first >= 240 and 4 or first >= 224 and 3 or 2
    return #last == wanted and last or ""
  end)
  return name ~= "" and name or nil
end

--- Attaches prepared uploads to a parent, in the caller's transaction.
-- @param options kind ("before", "after" or nil), caption
-- @return the attachments as M.list shows them
function M.attach(ctx, parent_type, parent_id, prepared, options)
  assert(ctx.tx, "files.attach needs a transaction")
  local attachments = json.array({})
  local position = #prepared > 0 and store.next_position(ctx, parent_type, parent_id)
  stamps.touch(ctx, parent_id)
  for i, content in ipairs(prepared) do
    local file = {
      id = uuid.v7(),
      sha256 = content.sha256,
      store = "local",
      path = content.path,
      original_name = clean_name(content.name),
      file_type = content.type,
      file_size = content.size,
      width = content.width,
      height = content.height,
      uploaded_by = ctx.actor.user_id,
    }
    local attachment = {
      id = uuid.v7(),
      parent_type = parent_type,
      parent_id = parent_id,
      file_id = file.id,
      kind = options and options.kind,
      caption = options and options.caption,
      position = position + i - 1,
      file_type = file.file_type,
      file_size = file.file_size,
      width = file.width,
      height = file.height,
    }
    store.insert_file(ctx, file)
    store.insert_attachment(ctx, attachment)
    attachments[i] = shown(attachment)
  end
  return attachments
end

--- The attachments of each of these parents, in order: {parent id = array}.
function M.list_all(ctx, parent_type, parent_ids)
  local lists = {}
  for _, id in ipairs(parent_ids) do
    lists[id] = json.array({})
  end
  for _, row in ipairs(#parent_ids > 0 and store.list(ctx, parent_type, parent_ids) or {}) do
    local list = lists[row.parent_id]
    list[#list + 1] = shown(row)
  end
  return lists
end

--- The attachments of a parent, in order.
function M.list(ctx, parent_type, parent_id)
  local attachments = json.array({})
  for i, row in ipairs(store.list(ctx, parent_type, { parent_id })) do
    attachments[i] = shown(row)
  end
  return attachments
end

--- The same as the text of a JSON array.
function M.list_text(ctx, parent_type, parent_id)
  return "[" .. store.list_shaped(ctx, parent_type, parent_id, ATTACHMENT) .. "]"
end

--- SQL for a statement that reads a parent: whether it has attachments, the id of its first
-- picture's file.
M.select_any = store.select_any
M.select_cover = store.select_cover

--- The first picture of each of these parents: {parent id = attachment as M.list shows it}.
function M.covers(ctx, parent_type, parent_ids)
  local covers = {}
  if #parent_ids == 0 then
    return covers
  end
  for _, row in ipairs(store.list_covers(ctx, parent_type, parent_ids)) do
    covers[row.parent_id] = covers[row.parent_id] or shown(row)
  end
  return covers
end

local function not_found()
  errors.raise("NOT_FOUND", "There is no such file")
end

local function allows(ctx, file, right)
  for _, row in ipairs(store.list_parents(ctx, file.id)) do
    local parent = registry.file_parents[row.parent_type]
    if parent and parent[right](ctx, row.parent_id) then
      return true
    end
  end
  return false
end

-- Links in pages name no tenant: the file's own stands in, and then its parent decides.
local function with_tenant(ctx, file_id)
  if ctx.tenant then
    return ctx
  end
  local tenant_id = store.find_tenant_id(ctx, file_id)
  local tenant = tenant_id and registry.hooks.find_tenant(ctx, tenant_id)
  if not tenant then
    not_found()
  end
  return ctx:with({ tenant = tenant })
end

--- A file that the caller may see: of something that they may see; 404 otherwise.
function M.find(ctx, id)
  ctx = with_tenant(ctx, id)
  local file = store.find_file(ctx, id)
  if not file or not allows(ctx, file, "can_read") then
    not_found()
  end
  return file
end

--- Takes one upload onto a parent that the caller may change.
-- @param input parentType, parentId, caption
-- @return the attachment, meta
function M.upload(ctx, input, upload)
  local parent = registry.file_parents[input.parentType]
  if not parent then
    errors.validation({ { field = "parentType", code = "enum",
      message = "takes no files" } })
  elseif not parent.can_read(ctx, input.parentId) then
    errors.raise("NOT_FOUND", "There is no such " .. input.parentType)
  elseif not parent.can_write(ctx, input.parentId) then
    errors.raise("FORBIDDEN", "You may not change this " .. input.parentType)
  end
  local prepared = M.prepare(ctx, { upload }, { kinds = "any", field = "file" })
  local attachment = db.transaction(ctx, function(tx_ctx)
    local made = M.attach(tx_ctx, input.parentType, input.parentId, prepared,
      { caption = input.caption })[1]
    audit.write(tx_ctx, { action = "file.create", resource_type = input.parentType,
      resource_id = input.parentId, new = made })
    return made
  end)
  return attachment, prepared[1].gps and { exifLocation = prepared[1].gps } or nil
end

--- Deletes a file of a parent that the caller may change.
function M.delete(ctx, id)
  local file = M.find(ctx, id)
  if not allows(ctx, file, "can_write") then
    errors.raise("FORBIDDEN", "You may not delete this file")
  end
  reply.require_match(ctx, file.sha256)
  db.transaction(ctx, function(tx_ctx)
    for _, parent in ipairs(store.list_parents(tx_ctx, id)) do
      stamps.touch(tx_ctx, parent.parent_id)
    end
    store.delete(tx_ctx, id)
    audit.write(tx_ctx, { action = "file.delete", resource_type = "file", resource_id = id,
      old = { type = file.file_type, size = file.file_size } })
  end)
end

return M
