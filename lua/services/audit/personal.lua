--- What the trail knows of persons: encrypted with a key per person. The trail itself can never
-- change; destroying the key is what erases.

local crypto = require("core.crypto")
local json = require("core.json")
local sealed = require("core.sealed")
local store = require("services.audit.store")

local M = {}

local PURPOSE = "audit.person"
local KEY_BYTES = 32
local MEMBER = "personal" -- where the encrypted fields are, within old or new values

local FIELDS = { "email", "phone", "firstName", "lastName", "fullName", "employee", "address" }

-- The person's key, or nil once it was destroyed.
local function key_of(ctx, user_id)
  local row = store.find_key(ctx, user_id)
  if not row then
    local key = crypto.random(KEY_BYTES)
    store.insert_key(ctx, user_id, sealed.seal(PURPOSE, key, user_id))
    row = store.lock_key(ctx, user_id) -- another transaction may have been first
  end
  return row.sealed_key and sealed.open(PURPOSE, row.sealed_key, user_id)
end

--- The values with the person's fields encrypted; changes the given table.
function M.hide(ctx, user_id, values)
  local found = {}
  for _, name in ipairs(FIELDS) do
    found[name], values[name] = values[name], nil
  end
  local key = next(found) and key_of(ctx, user_id)
  if key then
    values[MEMBER] = crypto.base64(crypto.encrypt(key, json.encode(found), user_id))
  end
  return values
end

--- The values with the person's fields readable again, as long as there is a key.
function M.show(ctx, user_id, values)
  local text = values[MEMBER]
  if type(text) ~= "string" then
    return values
  end
  values[MEMBER] = nil
  local row = store.find_key(ctx, user_id)
  local key = row and row.sealed_key and sealed.open(PURPOSE, row.sealed_key, user_id)
  local bytes = crypto.unbase64(text)
  local plain = key and bytes and crypto.decrypt(key, bytes, user_id)
  for name, value in pairs(plain and json.decode(plain) or {}) do
    values[name] = value
  end
  return values
end

--- Destroys a person's key, in the caller's transaction.
M.forget = store.destroy_key

return M
