--- Each write of a run once, over any number of retries.
--
-- The nth write that a handler asks for because of a cause (an event, a step of a clock) takes the
-- nth place under that cause; the row of the place commits with the write, and with what the run
-- had read before (services.scripts.journal). Whoever comes to a place that is taken gets what was
-- done there, if it asks for the same; else it fails: its rule does not do the same twice, and
-- going on would do something else in addition.

local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local journals = require("services.scripts.journal")

local M = {}

--- The key by which another server can tell a repeated request.
function M.key(origin, ordinal)
  return crypto.hex(crypto.hash("sha256", ("%s\n%s\n%d"):format(origin.cause, origin.handler,
    ordinal)))
end

local function is_same(known, effect)
  return known.capability == effect.capability and known.digest == effect.digest
end

local function fail_for_good(code, message)
  local err = errors.new(code, message, { status = 409 })
  err.permanent = true
  error(err, 0)
end

local function result_of(known)
  if known.lost then
    fail_for_good("EFFECT_LOST", ("what %s gave the earlier attempt here cannot be read any more")
      :format(known.capability))
  end
  return known.result and json.raw(known.result)
end

-- What was done at a place before the run began.
local function replay(known, effect)
  if not is_same(known, effect) then
    fail_for_good("EFFECT_CHANGED", ("the earlier attempt did %s here, and this one wants "
      .. "something else"):format(known.capability))
  end
  return result_of(known)
end

-- What was done at a place since the run began, or by an attempt that it does not know of. That one
-- may have read something else than this one: the next attempt will know what. Or it has ended well
-- meanwhile: then so has this one.
local function join(known, effect)
  if known.ended then
    local err = errors.new("CONFLICT", "another attempt of this run has ended")
    err.is_over = true
    error(err, 0)
  elseif not is_same(known, effect) then
    errors.raise("CONFLICT", "another attempt of this run is under way")
  end
  return result_of(known)
end

-- Does what is to be done at a place, and takes the place with it. Where another attempt has done
-- it meanwhile this one fails: at its end, since the place is taken, or before, since what is done
-- cannot be done again.
local function within_transaction(ctx, journal, effect, fn)
  local ok, text = xpcall(db.transaction, errors.capture, ctx, function(tx_ctx)
    local value = fn(tx_ctx)
    local result = value ~= nil and json.encode(value) or nil
    journal:take(tx_ctx, effect, result)
    return result
  end)
  if ok then
    return text and json.raw(text)
  end
  local known = journal:find(ctx, effect)
  if not known then
    error(text, 0)
  end
  return join(known, effect)
end

-- What reaches other servers happens at least once, and is written down when it has.
local function outside(ctx, journal, effect, fn)
  local known = journal:find(ctx, effect)
  if known then
    return join(known, effect)
  end
  local value = fn(ctx)
  return within_transaction(ctx, journal, effect, function()
    return value
  end)
end

local function once(ctx, journal, ordinal, entry, arguments, fn)
  local effect = { cause = journal.cause, handler = journal.handler, ordinal = ordinal,
    capability = entry.name, digest = journals.digest(entry.name, arguments),
    began_at = journal.began_at }
  local known = journal.places[ordinal]
  if known then
    return replay(known, effect)
  elseif entry.outside then
    return outside(ctx, journal, effect, fn)
  end
  return within_transaction(ctx, journal, effect, fn)
end

--- Does what a run asks for, unless it is done.
-- @param journal of the run (services.scripts.journal); nil: nothing is kept, since nothing will be
--   tried again
-- @param entry the capability
-- @param fn fn(ctx) -> the value; its ctx has the transaction, if any
function M.perform(ctx, journal, ordinal, entry, arguments, fn)
  if journal then
    local value = once(ctx, journal, ordinal, entry, arguments, fn)
    journal:passed()
    return value
  elseif entry.outside then
    return fn(ctx)
  end
  return db.transaction(ctx, fn)
end

return M
