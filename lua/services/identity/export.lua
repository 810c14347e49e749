--- A copy of what the platform knows about a person, as a ZIP: made by a job, from what each
-- service and plugin adds.

local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local registry = require("core.registry")
local time = require("core.time")
local uuid = require("core.uuid")
local zip = require("core.zip")
local audit = require("services.audit")
local files = require("services.files")
local jobs = require("services.jobs")
local accounts = require("services.identity.accounts_store")
local letters = require("services.identity.letters")
local profile = require("services.identity.profile")
local store = require("services.identity.store")

local M = {}

--- The job that M.ask asks for.
M.JOB = "identity.export"

M.MAX_ATTEMPTS = 5

local KEEP_DAYS = 7
local TYPE = "application/zip"
local PAGE = 1000

local function url_of(id)
  return "/api/v1/users/export-data/" .. id
end

local function shown(row)
  return {
    id = row.id,
    status = row.state,
    size = row.file_size or json.null,
    url = row.state == "done" and url_of(row.id) .. "/download" or json.null,
    createdAt = row.created_at,
    expiresAt = row.expires_at,
  }
end

--- Asks for a copy; while one is being made, that one.
-- @return {id, status, url, ...}, where to ask for it
function M.ask(ctx)
  local user_id = ctx.actor.user_id
  local id = db.transaction(ctx, function(tx_ctx)
    local waiting = accounts.find_waiting_export(tx_ctx, user_id)
    if waiting then
      return waiting.id
    end
    local made = uuid.v7()
    accounts.insert_export(tx_ctx, { id = made, user_id = user_id, keep_days = KEEP_DAYS })
    jobs.enqueue(tx_ctx:with({ tenant = false }), M.JOB, { exportId = made, userId = user_id })
    audit.write(tx_ctx, { action = "user.export", resource_type = "user", resource_id = user_id })
    return made
  end)
  return shown(accounts.find_export(ctx, user_id, id)), url_of(id)
end

local function find(ctx, id)
  return accounts.find_export(ctx, ctx.actor.user_id, id)
    or errors.raise("NOT_FOUND", "There is no such copy, or it is too old")
end

--- How far a copy is.
function M.get(ctx, id)
  return shown(find(ctx, id))
end

--- The file of a copy that is ready: {path, type, size, sha256}.
function M.file(ctx, id)
  local row = find(ctx, id)
  if row.state ~= "done" then
    errors.raise("CONFLICT", "The copy is not ready yet")
  end
  return files.find_kept(ctx, row.file_id)
    or errors.raise("NOT_FOUND", "There is no such copy, or it is too old")
end

-- Every entry of the person's audit trail, page by page.
local function all_activity(ctx, user_id)
  local all, query = json.array({}), { limit = PAGE }
  repeat
    local entries, meta = audit.list_of(ctx, user_id, query)
    for _, entry in ipairs(entries) do
      all[#all + 1] = entry
    end
    query = { limit = PAGE, cursor = meta.nextCursor }
  until not meta.hasMore
  return all
end

local function all_sessions(ctx)
  local all = json.array({})
  for i, row in ipairs(accounts.list_sessions(ctx, ctx.actor.user_id)) do
    all[i] = { id = row.id, tenantId = row.tenant_id, ipAddress = row.ip_address,
      userAgent = row.user_agent, createdAt = row.created_at, lastUsedAt = row.last_used_at,
      expiresAt = row.expires_at, endedAt = row.ended_at }
  end
  return all
end

local function all_keys(ctx)
  local all = json.array({})
  for i, row in ipairs(accounts.list_keys(ctx, ctx.actor.user_id)) do
    all[i] = { id = row.id, tenantId = row.tenant_id, name = row.name, prefix = row.prefix,
      scopes = json.raw(row.scopes), createdAt = row.created_at, lastUsedAt = row.last_used_at,
      expiresAt = row.expires_at, revokedAt = row.revoked_at }
  end
  return all
end

-- The account by itself: what somebody is in a tenant, their memberships tell.
local function account_of(ctx)
  local account = profile.get(ctx)
  account.tenant, account.role, account.permissions = nil, nil, nil
  return account
end

-- Without the mark of the one that a session acts in: here is no session.
local function all_memberships(ctx)
  local all = profile.list_tenants(ctx)
  for _, membership in ipairs(all) do
    membership.active = nil
  end
  return all
end

local function add_account(ctx, add)
  add.json("account.json", account_of(ctx))
  add.json("memberships.json", all_memberships(ctx))
  add.json("sessions.json", all_sessions(ctx))
  add.json("api-keys.json", all_keys(ctx))
  add.json("activity.json", all_activity(ctx, ctx.actor.user_id))
end

local function write(ctx, path)
  local archive = zip.new(function(bytes)
    errors.check(fs.append(path, bytes))
  end)
  local add = {
    json = function(name, value)
      archive:add(name, json.encode(value, { sorted = true }), time.now_ms())
    end,
    file = function(name, from)
      local bytes = fs.read(from)
      if bytes then -- a file may go while we read
        archive:add(name, bytes, time.now_ms())
      end
    end,
  }
  add_account(ctx, add)
  for _, part in ipairs(registry.personal) do
    if part.export then
      part.export(ctx, ctx.actor.user_id, add)
    end
  end
  archive:finish()
end

local function make(ctx, user_id)
  local own = ctx:with({ actor = { kind = "user", user_id = user_id, permissions = {} } })
  local path = files.temporary()
  local ok, problem = pcall(write, own, path)
  if not ok then
    fs.unlink(path)
    error(problem, 0)
  end
  return files.store(path, TYPE)
end

--- The job of M.ask. Runs again from the start when it is interrupted.
function M.make(ctx, payload, job)
  local user = store.find_user(ctx, payload.userId)
  local row = user and accounts.find_export(ctx, user.id, payload.exportId)
  if not row or row.state == "done" then
    return
  end
  local ok, made = pcall(make, ctx, user.id)
  if not ok then
    if job.attempt >= M.MAX_ATTEMPTS then
      accounts.fail_export(ctx, row.id)
    end
    error(made, 0)
  end
  db.transaction(ctx, function(tx_ctx)
    accounts.finish_export(tx_ctx, row.id, files.keep(tx_ctx, made), made.size)
    letters.tell(tx_ctx, user, "export_ready", { ["until"] = row.expires_at:sub(1, 10) })
  end)
end

-- Removes these copies; their contents are swept up.
local function remove(ctx, rows)
  for _, row in ipairs(rows) do
    accounts.delete_export(ctx, row.id)
    if row.file_id then
      files.drop(ctx, row.file_id)
    end
  end
end

--- Removes the copies that are too old. @return how many
function M.purge(ctx)
  local rows = accounts.list_old_exports(ctx)
  db.transaction(ctx, function(tx_ctx)
    remove(tx_ctx, rows)
  end)
  return #rows
end

--- Removes the copies of somebody who is erased, in the caller's transaction.
function M.erase(ctx, user_id)
  remove(ctx, accounts.list_exports_of(ctx, user_id))
end

return M
