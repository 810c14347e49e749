--- What names persons in rows that never change: sealed with a key per person. Destroying the key
-- is what erases; the rows stay as they are.

local crypto = require("core.crypto")
local json = require("core.json")
local sealed = require("core.sealed")
local keys = require("services.persons.keys")

local M = {}

--- Values of a person as a text that only their key opens; nil once the person was erased.
-- @param ctx a context with a transaction: a person's first text makes their key, too
-- @param values an object
function M.seal(ctx, user_id, values)
  assert(ctx.tx, "persons.seal needs a transaction")
  local key = keys.obtain(ctx, user_id)
  return key and crypto.base64(crypto.encrypt(key, json.encode(values), user_id))
end

local function opened(key, user_id, text)
  local bytes = crypto.unbase64(text)
  local plain = key and bytes and crypto.decrypt(key, bytes, user_id)
  return plain and json.decode(plain) or nil
end

--- What M.seal sealed, or nil: the person was erased.
function M.open(ctx, user_id, text)
  return opened(keys.find(ctx, { user_id })[user_id], user_id, text)
end

--- The same of many texts, with one query at most.
-- @param list array of {person = user id, sealed = text}
-- @return index -> values; none where the person was erased
function M.open_all(ctx, list)
  local ids, values = {}, {}
  for i, part in ipairs(list) do
    ids[i] = part.person
  end
  local found = keys.find(ctx, ids)
  for i, part in ipairs(list) do
    values[i] = opened(found[part.person], part.person, part.sealed)
  end
  return values
end

local function common_key(purpose, own)
  local key = sealed.key(purpose)
  return #own > 0 and crypto.hmac("sha256", key, table.concat(own)) or key
end

--- Seals a text about several persons, or none: it opens as long as none of them was erased.
-- @param ctx a context with a transaction: as M.seal
-- @param ids of those whom it may be about, each once; what is nobody's, or of somebody who was
--   erased, is left out
-- @param purpose, bound_to as in core.sealed
-- @return the sealed text, the ids of those whom it is about
function M.seal_together(ctx, ids, purpose, text, bound_to)
  assert(ctx.tx, "persons.seal_together needs a transaction")
  local people, own = keys.obtain_all(ctx, ids)
  return crypto.encrypt(common_key(purpose, own), text, bound_to), people
end

--- What M.seal_together sealed.
-- @param people as it told them
-- @return the text; or nil, "ERASED", or nil and what else does not fit
function M.open_together(ctx, people, purpose, text, bound_to)
  local found, own = keys.find(ctx, people), {}
  for i, user_id in ipairs(people) do
    if not found[user_id] then
      return nil, "ERASED"
    end
    own[i] = found[user_id]
  end
  return crypto.decrypt(common_key(purpose, own), text, bound_to)
end

--- Destroys a person's key, in the caller's transaction.
M.forget = keys.destroy

--- A person's key may have been destroyed, here or elsewhere: what is kept of it goes.
M.changed = keys.drop

return M
