--- A copy of what the platform knows about a person, as a ZIP: made by a job, from what each
-- service and plugin adds.

local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local registry = require("core.registry")
local time = require("core.time")
local uuid = require("core.uuid")
local zip = require("core.zip")
local audit = require("services.audit")
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
local PAGE = 1000

local function folder()
  return config.get().server.data .. "/exports"
end

local function path_of(id)
  return ("%s/%s.zip"):format(folder(), id)
end

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

--- The file of a copy that is ready: {path, size}.
function M.file(ctx, id)
  local row = find(ctx, id)
  if row.state ~= "done" then
    errors.raise("CONFLICT", "The copy is not ready yet")
  end
  return { path = path_of(id), size = row.file_size }
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

local function add_account(ctx, add)
  add.json("account.json", profile.get(ctx))
  add.json("memberships.json", profile.list_tenants(ctx))
  add.json("sessions.json", all_sessions(ctx))
  add.json("activity.json", all_activity(ctx, ctx.actor.user_id))
end

local function write(ctx, path)
  fs.unlink(path) -- of an attempt that was interrupted
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

--- The job of M.ask. Runs again from the start when it is interrupted.
function M.make(ctx, payload, job)
  local user = store.find_user(ctx, payload.userId)
  local row = user and accounts.find_export(ctx, user.id, payload.exportId)
  if not row or row.state == "done" then
    return
  end
  local made = ("%s.%s"):format(path_of(row.id), job.id)
  errors.check(fs.mkdir(folder()))
  local own = ctx:with({ actor = { kind = "user", user_id = user.id, permissions = {} } })
  local ok, problem = pcall(write, own, made)
  if not ok then
    fs.unlink(made)
    if job.attempt >= M.MAX_ATTEMPTS then
      accounts.finish_export(ctx, row.id, "failed")
    end
    error(problem, 0)
  end
  errors.check(fs.install(made, path_of(row.id)))
  local size = errors.check(fs.stat(path_of(row.id))).size
  db.transaction(ctx, function(tx_ctx)
    accounts.finish_export(tx_ctx, row.id, "done", size)
    letters.tell(tx_ctx, user, "export_ready", { ["until"] = row.expires_at:sub(1, 10) })
  end)
end

--- Removes copies that are too old, or whose owner is gone. @return how many
function M.purge(ctx)
  accounts.purge_exports(ctx)
  local live, removed = {}, 0
  for _, row in ipairs(accounts.list_export_ids(ctx)) do
    live[row.id] = true
  end
  for _, name in ipairs(fs.list(folder()) or {}) do
    if not live[name:match("^[%x-]+")] and fs.unlink(folder() .. "/" .. name) then
      removed = removed + 1
    end
  end
  return removed
end

return M
