--- Each write of a run once, over any number of retries.
--
-- The nth write that a handler asks for because of a cause (an event, a step of a clock) takes the
-- nth place under that cause; the row of the place commits with the write. Whoever comes to a place
-- that is taken gets what was done there, if it asks for the same; else it fails: its rule does not
-- do the same twice, and going on would do something else in addition.

local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local time = require("core.time")
local store = require("services.scripts.runs_store")

local M = {}

local SORTED = { sorted = true }

local function digest_of(name, arguments)
  return crypto.hex(crypto.hash("sha256", name .. "\n" .. json.encode(arguments, SORTED)))
end

--- The key by which another server can tell a repeated request.
function M.key(origin, ordinal)
  return crypto.hex(crypto.hash("sha256", ("%s\n%s\n%d"):format(origin.cause, origin.handler,
    ordinal)))
end

local function replayed(ctx, effect)
  local known = store.find_effect(ctx, effect)
  if not known then
    return false
  elseif known.capability ~= effect.capability or known.digest ~= effect.digest then
    local err = errors.new("EFFECT_CHANGED", ("the earlier attempt did %s here, and this one wants "
      .. "something else"):format(known.capability), { status = 409 })
    err.permanent = true
    error(err, 0)
  end
  return true, known.result and json.decode(known.result)
end

local function within_transaction(ctx, effect, fn)
  return db.transaction(ctx, function(tx_ctx)
    if not store.claim_effect(tx_ctx, effect) then
      return select(2, replayed(tx_ctx, effect))
    end
    local value = fn(tx_ctx)
    store.put_result(tx_ctx, effect, value ~= nil and json.encode(value) or nil)
    return value
  end)
end

-- What reaches other servers happens at least once, and is written down when it has.
local function outside(ctx, effect, fn)
  local is_known, result = replayed(ctx, effect)
  if is_known then
    return result
  end
  local value = fn(ctx)
  db.transaction(ctx, function(tx_ctx)
    if store.claim_effect(tx_ctx, effect) then
      store.put_result(tx_ctx, effect, value ~= nil and json.encode(value) or nil)
    end
  end)
  return value
end

--- The time by which a run goes: its own, but that of the attempt before which did something, so that
-- a rule that writes down the time asks for the same again.
-- @param origin cause, handler, again = whether there may have been an attempt
function M.began_at(ctx, origin)
  return origin and origin.again and store.find_began(ctx, origin.cause, origin.handler)
    or time.now()
end

--- Does what a run asks for, unless it is done.
-- @param origin cause, handler, began_at; nil: nothing is kept, since nothing will be tried again
-- @param entry the capability
-- @param fn fn(ctx) -> the value; its ctx has the transaction, if any
function M.perform(ctx, origin, ordinal, entry, arguments, fn)
  if not origin then
    if entry.outside then
      return fn(ctx)
    end
    return db.transaction(ctx, fn)
  end
  local effect = { cause = origin.cause, handler = origin.handler, ordinal = ordinal,
    capability = entry.name, digest = digest_of(entry.name, arguments),
    began_at = origin.began_at }
  if entry.outside then
    return outside(ctx, effect, fn)
  end
  return within_transaction(ctx, effect, fn)
end

return M
