--- SQL of uploads and what they are attached to.

local db = require("core.db")

local M = {}

local FILE = [[id, tenant_id, sha256, path, original_name, file_type, file_size, width, height,
  uploaded_by]]

function M.insert_file(ctx, row)
  db.scope(ctx):exec(
    [[INSERT INTO files (id, tenant_id, sha256, store, path, original_name, file_type, file_size,
        width, height, uploaded_by) VALUES (?, :tenant, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.sha256, row.store, row.path, row.original_name, row.file_type, row.file_size,
    row.width, row.height, row.uploaded_by)
end

function M.insert_attachment(ctx, row)
  db.scope(ctx):exec(
    [[INSERT INTO attachments (id, tenant_id, parent_type, parent_id, file_id, kind, caption,
        position) VALUES (?, :tenant, ?, ?, ?, ?, ?, ?)]],
    row.id, row.parent_type, row.parent_id, row.file_id, row.kind, row.caption, row.position)
end

--- The position after the last attachment of a parent.
function M.next_position(ctx, parent_type, parent_id)
  return db.scope(ctx):one(
    [[SELECT COALESCE(MAX(position) + 1, 0) AS position FROM attachments
      WHERE tenant_id = :tenant AND parent_type = ? AND parent_id = ?]],
    parent_type, parent_id).position
end

local function list_sql(count)
  return [[SELECT a.id, a.parent_id, a.file_id, a.kind, a.caption, a.position, f.file_type,
        f.file_size, f.width, f.height
      FROM attachments a JOIN files f ON f.id = a.file_id AND f.tenant_id = :tenant
      WHERE a.tenant_id = :tenant AND a.parent_type = ? AND a.parent_id IN (]]
      .. ("?,"):rep(count):sub(1, -2) .. [[)
        AND a.deleted_at IS NULL AND f.deleted_at IS NULL
      ORDER BY a.parent_id, a.position, a.id]]
end

--- The attachments of these parents (at most a page of them) with their files, in order.
function M.list(ctx, parent_type, parent_ids)
  return db.scope(ctx):query(list_sql(#parent_ids), parent_type, unpack(parent_ids))
end

local LIST_ONE, ALL = list_sql(1), 1e9

--- The attachments of one parent as JSON objects of a shape, with commas between them.
function M.list_shaped(ctx, parent_type, parent_id, shape)
  return (db.scope(ctx):shaped(shape.compiled, ALL, LIST_ONE, parent_type, parent_id))
end

-- The inside of a subquery on the attachments of the parent whose id is the SQL expression
-- `parent_id`. It names its indexes: the server would weigh all of them each time.
local function of_parent(parent_type, parent_id)
  assert(parent_type:find("^%l+$"))
  return ([[ FROM attachments a USE INDEX (attachments_parent)
    JOIN files f USE INDEX (PRIMARY) ON f.id = a.file_id AND f.tenant_id = :tenant
    WHERE a.tenant_id = :tenant AND a.parent_type = '%s' AND a.parent_id = %s
      AND a.deleted_at IS NULL AND f.deleted_at IS NULL]]):format(parent_type, parent_id)
end

--- SQL that is true when a parent has attachments.
function M.select_any(parent_type, parent_id)
  return "EXISTS (SELECT 1" .. of_parent(parent_type, parent_id) .. ")"
end

--- SQL of one value: the id of a parent's first picture, or NULL.
function M.select_cover(parent_type, parent_id)
  return "(SELECT a.file_id" .. of_parent(parent_type, parent_id)
    .. " AND f.file_type LIKE 'image/%' ORDER BY a.position, a.id LIMIT 1)"
end

--- The first picture of each of these parents (at most a page of them), for lists.
function M.list_covers(ctx, parent_type, parent_ids)
  return db.scope(ctx):query(
    [[SELECT a.id, a.parent_id, a.file_id, a.kind, a.caption, a.position, f.file_type, f.file_size,
        f.width, f.height
      FROM attachments a JOIN files f ON f.id = a.file_id AND f.tenant_id = :tenant
      WHERE a.tenant_id = :tenant AND a.parent_type = ? AND a.parent_id IN (]]
      .. ("?,"):rep(#parent_ids):sub(1, -2) .. [[)
        AND a.deleted_at IS NULL AND f.deleted_at IS NULL AND f.file_type LIKE 'image/%'
      ORDER BY a.parent_id, a.position, a.id]], parent_type, unpack(parent_ids))
end

function M.find_file(ctx, id)
  return db.scope(ctx):one("SELECT " .. FILE .. [[ FROM files
    WHERE tenant_id = :tenant AND id = ? AND deleted_at IS NULL]], id)
end

--- Whose file it is: for readers who name no tenant, and only the file's parent then decides.
function M.find_tenant_id(ctx, id)
  local row = db.platform(ctx):one(
    "SELECT tenant_id FROM files WHERE id = ? AND deleted_at IS NULL", id)
  return row and row.tenant_id
end

function M.list_parents(ctx, file_id)
  return db.scope(ctx):query(
    [[SELECT DISTINCT parent_type, parent_id FROM attachments
      WHERE tenant_id = :tenant AND file_id = ? AND deleted_at IS NULL]], file_id)
end

function M.delete(ctx, file_id)
  local scope = db.scope(ctx)
  scope:exec(
    [[UPDATE attachments SET deleted_at = NOW(3)
      WHERE tenant_id = :tenant AND file_id = ? AND deleted_at IS NULL]], file_id)
  scope:exec(
    [[UPDATE files SET deleted_at = NOW(3)
      WHERE tenant_id = :tenant AND id = ? AND deleted_at IS NULL]], file_id)
end

-- What belongs to a person, across all tenants --------------------------------

function M.insert_kept(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO files (id, tenant_id, sha256, store, path, file_type, file_size, width, height,
        uploaded_by) VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.sha256, row.store, row.path, row.file_type, row.file_size, row.width, row.height,
    row.uploaded_by)
end

function M.find_kept(ctx, id)
  return db.platform(ctx):one("SELECT " .. FILE .. [[ FROM files
    WHERE tenant_id IS NULL AND id = ? AND deleted_at IS NULL]], id)
end

function M.delete_kept(ctx, id)
  db.platform(ctx):exec("DELETE FROM files WHERE tenant_id IS NULL AND id = ?", id)
end

function M.list_uploads(ctx, user_id)
  return db.platform(ctx):query("SELECT " .. FILE .. [[ FROM files
    WHERE uploaded_by = ? AND deleted_at IS NULL ORDER BY id]], user_id)
end

function M.forget_names(ctx, user_id)
  db.platform(ctx):exec(
    "UPDATE files SET original_name = NULL WHERE uploaded_by = ?", user_id)
end

--- Which of these contents any tenant still has a row for: a set. Deleted rows count, they can
-- be restored.
function M.find_used(ctx, hashes)
  local used = {}
  for _, hash in ipairs(hashes) do
    if db.platform(ctx):one("SELECT id FROM files WHERE sha256 = ? LIMIT 1", hash) then
      used[hash] = true
    end
  end
  return used
end

return M
