--- Secrets that a tenant's scripts use: written, never shown, sealed at rest. A script asks for one
-- by name; nothing of them is kept in memory.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local sealed = require("core.sealed")
local audit = require("services.audit")
local store = require("services.scripts.secrets_store")
local view = require("services.scripts.view")

local M = {}

local PURPOSE = "scripts.secret"
local SECRETS_MAX = 64 -- of one tenant

--- Bytes of one secret.
M.MAX = 5120

--- How secrets may be named.
M.NAME = "^[A-Za-z][A-Za-z0-9_.-]*$"
M.NAME_MAX = 64

local function bound_to(ctx, name)
  return ctx.tenant.id .. ":" .. name
end

local function check_name(name)
  if #name > M.NAME_MAX or not name:find(M.NAME) then
    errors.validation({ { field = "name", code = "format", message =
      "must be a letter, then letters, digits, _, . and -, at most " .. M.NAME_MAX } })
  end
end

--- The names, without what they stand for.
function M.list(ctx)
  local list = json.array({})
  for i, row in ipairs(store.list(ctx)) do
    list[i] = view.secret(row)
  end
  return list
end

--- What a secret says, for a script; nil when there is none of this name.
function M.get(ctx, name)
  local row = store.find(ctx, name)
  if not row then
    return nil
  end
  return errors.check(sealed.open(PURPOSE, row.sealed, bound_to(ctx, name)))
end

--- Writes a secret. @return whether it is new
function M.put(ctx, name, value)
  check_name(name)
  if #value > M.MAX then
    errors.validation({ { field = "value", code = "length",
      message = ("must have at most %d bytes"):format(M.MAX) } })
  end
  return db.transaction(ctx, function(tx_ctx)
    if store.count_others(tx_ctx, name) >= SECRETS_MAX then
      errors.raise("CONFLICT", ("There are %d secrets already"):format(SECRETS_MAX))
    end
    local is_new = store.find(tx_ctx, name) == nil
    store.put(tx_ctx, name, sealed.seal(PURPOSE, value, bound_to(tx_ctx, name)))
    audit.write(tx_ctx, { action = "script.secret.put", resource_type = "script_secret",
      resource_id = name, new = { name = name } })
    return is_new
  end)
end

--- Removes a secret.
function M.delete(ctx, name)
  check_name(name)
  db.transaction(ctx, function(tx_ctx)
    if not store.delete(tx_ctx, name) then
      errors.raise("NOT_FOUND", "There is no such secret")
    end
    audit.write(tx_ctx, { action = "script.secret.delete", resource_type = "script_secret",
      resource_id = name, old = { name = name } })
  end)
end

return M
