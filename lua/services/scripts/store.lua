--- SQL of drafts, releases and what runs.

local db = require("core.db")

local M = {}

local PERSON = "TRIM(CONCAT(u.first_name, ' ', u.last_name))"
local STANDING = [[SELECT release_id, canary_id, canary_percent, canary_runs, canary_failures,
    next_number, draft_version, version
  FROM script_active WHERE tenant_id = :tenant]]

-- Where a tenant stands ---------------------------------------------------------

--- Where the tenant stands, or nil when it never had a script.
function M.find_standing(ctx)
  return db.scope(ctx):one(STANDING)
end

--- The same, locked until the transaction ends, and made when there was none.
function M.lock_standing(ctx)
  db.scope(ctx):exec("INSERT IGNORE INTO script_active (tenant_id) VALUES (:tenant)")
  return db.scope(ctx):one(STANDING .. " FOR UPDATE")
end

function M.touch_draft(ctx)
  db.scope(ctx):exec(
    "UPDATE script_active SET draft_version = draft_version + 1 WHERE tenant_id = :tenant")
end

--- What runs from now on. A canary begins without runs.
-- @param row release_id, canary_id, canary_percent; nil is none
function M.set_active(ctx, row)
  db.scope(ctx):exec(
    [[UPDATE script_active SET release_id = ?, canary_id = ?, canary_percent = ?, canary_runs = 0,
        canary_failures = 0, version = version + 1 WHERE tenant_id = :tenant]],
    row.release_id, row.canary_id, row.canary_percent)
end

--- The next release's number; it is taken.
-- @param standing of lock_standing
function M.take_number(ctx, standing)
  db.scope(ctx):exec(
    "UPDATE script_active SET next_number = next_number + 1 WHERE tenant_id = :tenant")
  return standing.next_number
end

--- Adds to a canary's figures. @return the standing, locked, or nil when it is no canary any more
function M.count_runs(ctx, canary_id, runs, failures)
  local counted = db.scope(ctx):exec(
    [[UPDATE script_active SET canary_runs = canary_runs + ?,
        canary_failures = canary_failures + ? WHERE tenant_id = :tenant AND canary_id = ?]],
    runs, failures, canary_id).affected
  return counted > 0 and M.find_standing(ctx) or nil
end

-- The draft ---------------------------------------------------------------------

function M.list_draft(ctx)
  return db.scope(ctx):query("SELECT d.path, LENGTH(d.content) AS size, d.updated_at, "
    .. "d.updated_by, " .. PERSON .. [[ AS name FROM script_drafts d
      LEFT JOIN users u ON u.id = d.updated_by WHERE d.tenant_id = :tenant ORDER BY d.path]])
end

function M.read_draft(ctx)
  return db.scope(ctx):query(
    "SELECT path, content FROM script_drafts WHERE tenant_id = :tenant ORDER BY path")
end

function M.find_draft(ctx, path)
  return db.scope(ctx):one("SELECT d.path, d.content, d.updated_at, d.updated_by, " .. PERSON
    .. [[ AS name FROM script_drafts d LEFT JOIN users u ON u.id = d.updated_by
      WHERE d.tenant_id = :tenant AND d.path = ?]], path)
end

--- How many files there are besides this one, and how many bytes.
function M.sum_others(ctx, path)
  return db.scope(ctx):one(
    [[SELECT COUNT(*) AS files, COALESCE(SUM(LENGTH(content)), 0) AS bytes FROM script_drafts
      WHERE tenant_id = :tenant AND path <> ?]], path)
end

function M.put_draft(ctx, path, content)
  db.scope(ctx):exec(
    [[INSERT INTO script_drafts (tenant_id, path, content, updated_at, updated_by)
      VALUES (:tenant, ?, ?, NOW(3), ?)
      ON DUPLICATE KEY UPDATE content = VALUES(content), updated_at = VALUES(updated_at),
        updated_by = VALUES(updated_by)]], path, content, ctx.actor.user_id)
end

--- @return whether there was one
function M.delete_draft(ctx, path)
  return db.scope(ctx):exec("DELETE FROM script_drafts WHERE tenant_id = :tenant AND path = ?",
    path).affected > 0
end

-- Releases ----------------------------------------------------------------------

local RELEASE = "SELECT r.id, r.number, r.message, r.author_id, r.withdrawn, r.created_at, "
  .. PERSON .. [[ AS name FROM script_releases r LEFT JOIN users u ON u.id = r.author_id
    WHERE r.tenant_id = :tenant]]

--- @param row id, number (nil for the one of development), message, hooks (JSON text)
function M.insert_release(ctx, row)
  db.scope(ctx):exec(
    [[INSERT INTO script_releases (id, tenant_id, number, message, hooks, author_id)
      VALUES (?, :tenant, ?, ?, ?, ?)]],
    row.id, row.number, row.message, row.hooks, ctx.actor.user_id)
end

function M.insert_release_file(ctx, release_id, file)
  db.scope(ctx):exec(
    [[INSERT INTO script_release_files (release_id, tenant_id, path, content)
      VALUES (?, :tenant, ?, ?)]], release_id, file.path, file.content)
end

function M.find_release(ctx, id)
  return db.scope(ctx):one(RELEASE .. " AND r.id = ?", id)
end

function M.find_release_by_number(ctx, number)
  return db.scope(ctx):one(RELEASE .. " AND r.number = ?", number)
end

--- The release before a number, or nil.
function M.find_release_before(ctx, number)
  return db.scope(ctx):one(RELEASE .. " AND r.number < ? ORDER BY r.number DESC LIMIT 1", number)
end

function M.list_releases(ctx, page)
  local params = { unpack(page.params) }
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return db.scope(ctx):query(RELEASE .. " AND r.number IS NOT NULL AND " .. page.condition
    .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?", unpack(params))
end

function M.count_releases(ctx)
  return db.scope(ctx):one([[SELECT COUNT(*) AS releases FROM script_releases
    WHERE tenant_id = :tenant AND number IS NOT NULL]]).releases
end

--- What a release declares, as JSON text, with its number: for running it.
function M.find_running(ctx, id)
  return db.scope(ctx):one(
    "SELECT id, number, hooks FROM script_releases WHERE tenant_id = :tenant AND id = ?", id)
end

function M.list_release_files(ctx, release_id)
  return db.scope(ctx):query([[SELECT path, content FROM script_release_files
    WHERE tenant_id = :tenant AND release_id = ? ORDER BY path]], release_id)
end

--- The same without their texts: {path, size}.
function M.list_release_sizes(ctx, release_id)
  return db.scope(ctx):query([[SELECT path, LENGTH(content) AS size FROM script_release_files
    WHERE tenant_id = :tenant AND release_id = ? ORDER BY path]], release_id)
end

--- By which texts a file runs, as one text; nil when it does not.
-- @param standing release_id, canary_id
function M.find_texts(ctx, path, standing)
  return db.scope(ctx):one([[SELECT GROUP_CONCAT(DISTINCT SHA2(content, 256)
      ORDER BY SHA2(content, 256)) AS texts FROM script_release_files
    WHERE tenant_id = :tenant AND path = ? AND release_id IN (?, ?)]],
    path, standing.release_id, standing.canary_id).texts
end

function M.withdraw(ctx, release_id, reason)
  db.scope(ctx):exec(
    "UPDATE script_releases SET withdrawn = ? WHERE tenant_id = :tenant AND id = ?",
    reason, release_id)
end

--- All releases but the latest `keep`, {id, number}.
function M.list_outdated(ctx, keep)
  return db.scope(ctx):query([[SELECT id, number FROM script_releases
    WHERE tenant_id = :tenant AND number IS NOT NULL
    ORDER BY number DESC LIMIT 1000 OFFSET ?]], keep)
end

--- The releases of development but the latest `keep`.
function M.list_unnumbered(ctx, keep)
  return db.scope(ctx):query([[SELECT id FROM script_releases
    WHERE tenant_id = :tenant AND number IS NULL
    ORDER BY created_at DESC LIMIT 1000 OFFSET ?]], keep)
end

function M.delete_release(ctx, id)
  db.scope(ctx):exec("DELETE FROM script_releases WHERE tenant_id = :tenant AND id = ?", id)
end

-- What is switched off ----------------------------------------------------------

function M.list_disabled(ctx)
  return db.scope(ctx):query("SELECT d.path, d.handler, d.reason, d.disabled_at, d.disabled_by, "
    .. PERSON .. [[ AS name FROM script_disabled d LEFT JOIN users u ON u.id = d.disabled_by
      WHERE d.tenant_id = :tenant ORDER BY d.path, d.handler]])
end

--- The single handlers of a file that nobody has switched off, but the breaker: {handler, ...}.
function M.list_broken(ctx, path)
  local handlers = {}
  for i, row in ipairs(db.scope(ctx):query([[SELECT handler FROM script_disabled
    WHERE tenant_id = :tenant AND path = ? AND handler <> '' AND disabled_by IS NULL
    ORDER BY handler]], path)) do
    handlers[i] = row.handler
  end
  return handlers
end

--- Switches on what list_broken lists.
function M.mend(ctx, path)
  db.scope(ctx):exec([[DELETE FROM script_disabled
    WHERE tenant_id = :tenant AND path = ? AND handler <> '' AND disabled_by IS NULL]], path)
end

--- The files with handlers that the breaker has switched off, or counts failures of: their paths.
function M.list_failing(ctx)
  return db.scope(ctx):query([[SELECT path FROM script_disabled
      WHERE tenant_id = :tenant AND handler <> '' AND disabled_by IS NULL
    UNION SELECT SUBSTRING_INDEX(handler, ':', 1) AS path FROM script_failures
      WHERE tenant_id = :tenant]])
end

--- @return whether it was on
function M.disable(ctx, path, handler, reason)
  return db.scope(ctx):exec(
    [[INSERT IGNORE INTO script_disabled (tenant_id, path, handler, reason, disabled_by)
      VALUES (:tenant, ?, ?, ?, ?)]], path, handler, reason, ctx.actor.user_id).affected > 0
end

--- Switches a file on with all of its handlers. @return whether anything was off
function M.enable(ctx, path)
  return db.scope(ctx):exec("DELETE FROM script_disabled WHERE tenant_id = :tenant AND path = ?",
    path).affected > 0
end

--- Something that runs is different from before.
function M.touch_active(ctx)
  db.scope(ctx):exec(
    "UPDATE script_active SET version = version + 1 WHERE tenant_id = :tenant")
end

return M
