--- Files, and single handlers, that are switched off whatever release runs.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local audit = require("services.audit")
local active = require("services.scripts.active")
local paths = require("services.scripts.paths")
local runs_store = require("services.scripts.runs_store")
local store = require("services.scripts.store")

local M = {}

local REASON_MAX = 500

local function check_path(path)
  local problem = paths.problem(path)
  if problem then
    errors.validation({ { field = "path", code = "format", message = problem } })
  end
end

local function is_known(ctx, standing, path)
  for _, id in ipairs({ standing.release_id, standing.canary_id }) do
    for _, file in ipairs(store.list_release_files(ctx, id)) do
      if file.path == path then
        return true
      end
    end
  end
  return store.find_draft(ctx, path) ~= nil
end

--- Switches a file off, or one handler of it; from the next run on. Harmless when it is off.
-- @param options reason; handler = the key of one handler (nil: the file)
-- @return whether it was on; 404 when neither the draft nor what runs has the file
function M.disable(ctx, path, options)
  check_path(path)
  return db.transaction(ctx, function(tx_ctx)
    local standing = store.lock_standing(tx_ctx)
    if not is_known(tx_ctx, standing, path) then
      errors.raise("NOT_FOUND", "There is no such file")
    end
    local reason = (options.reason or ""):sub(1, REASON_MAX)
    if not store.disable(tx_ctx, path, options.handler or "", reason) then
      return false
    end
    active.announce(tx_ctx)
    audit.write(tx_ctx, { action = "script.disable", resource_type = "script", resource_id = path,
      new = { path = path, handler = options.handler, reason = reason } })
    return true
  end)
end

--- Switches a file on again, with all its handlers. Harmless when it is on.
function M.enable(ctx, path)
  check_path(path)
  db.transaction(ctx, function(tx_ctx)
    local standing = store.lock_standing(tx_ctx)
    if store.enable(tx_ctx, path) then
      active.announce(tx_ctx)
      audit.write(tx_ctx, { action = "script.enable", resource_type = "script",
        resource_id = path, new = { path = path } })
    elseif not is_known(tx_ctx, standing, path) then
      errors.raise("NOT_FOUND", "There is no such file")
    end
  end)
end

local function mend(ctx, path)
  local handlers = store.list_broken(ctx, path)
  runs_store.forget_failures_of(ctx, path)
  if #handlers > 0 then
    store.mend(ctx, path)
    audit.write(ctx, { action = "script.enable", resource_type = "script", resource_id = path,
      new = { path = path, handlers = json.array(handlers), reason = "another text of it runs" } })
  end
end

--- Switches on what the breaker has switched off in files that run by another text now, and forgets
-- how often they failed by the one before; what a person has switched off stays so. In the
-- transaction of who has changed what runs, and announces it.
-- @param before where the tenant stood
function M.mend(ctx, before)
  local now = store.find_standing(ctx)
  for _, row in ipairs(store.list_failing(ctx)) do
    if store.find_texts(ctx, row.path, before) ~= store.find_texts(ctx, row.path, now) then
      mend(ctx, row.path)
    end
  end
end

return M
