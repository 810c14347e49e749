--- kv: a small store of values that last, for all scripts of a tenant. What runs write there is a
-- part of what they do, so it commits with their effects; it is nobody's data and is not audited.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local s = require("core.schema")
local scratch = require("services.scripts.capabilities.kv_scratch")
local store = require("services.scripts.capabilities.kv_store")

local KEY_MAX = 200 -- bytes
local VALUE_MAX = 16384 -- bytes as JSON
local KEYS_MAX = 10000 -- of one tenant
local WHOLE_MAX = 2 ^ 53

-- The database takes keys that differ in blanks at their end for the same.
local function key()
  return s.string({ min = 1, max = KEY_MAX, pattern = "^%S.*%f[%s%z]$",
    describe = "text that neither begins nor ends with a blank" })
end

local function check_room(kv, ctx)
  if kv:count(ctx) >= KEYS_MAX then
    errors.raise("CONFLICT", ("kv holds %d keys already"):format(KEYS_MAX))
  end
end

-- Each is done with `kv`, the store or what lies over it in a dry run.

local function get(kv, ctx, arguments)
  local row = kv:find(ctx, arguments.key)
  return row and json.raw(row.value) or json.null
end

local function set(kv, ctx, arguments)
  local name, text = arguments.key, json.encode(arguments.value)
  if #text > VALUE_MAX then
    errors.validation({ { field = "value", code = "length",
      message = ("must have at most %d bytes as JSON"):format(VALUE_MAX) } })
  end
  if not kv:find(ctx, name, true) then
    check_room(kv, ctx)
  end
  kv:put(ctx, name, text)
end

local function delete(kv, ctx, arguments)
  return kv:delete(ctx, arguments.key)
end

local function increase(kv, ctx, arguments)
  local name = arguments.key
  local row = kv:find(ctx, name, true)
  local value = row and json.decode(row.value) or 0
  if not row then
    check_room(kv, ctx)
    kv:put_new(ctx, name, "0")
    value = json.decode(kv:find(ctx, name, true).value) -- another may have been first
  end
  local sum = type(value) == "number" and value + arguments.by
  if not sum or sum ~= sum or math.abs(sum) >= WHOLE_MAX then
    errors.raise("VALIDATION_ERROR", ("kv.incr: what '%s' holds cannot be counted on"):format(name))
  end
  kv:put(ctx, name, json.encode(sum))
  return sum
end

-- A capability that changes something.
local function writing(entry, change)
  entry.writes = true
  function entry.run(ctx, arguments)
    return db.transaction(ctx, function(tx)
      return change(store, tx, arguments)
    end)
  end
  function entry.made_up(arguments, _, ctx, dry)
    return change(scratch.of(dry), ctx, arguments)
  end
  return entry
end

return {
  {
    -- The value, or nothing.
    name = "kv.get", parameters = { "key" }, arguments = s.object({ key = key() }),
    run = function(ctx, arguments, call)
      return get(scratch.of(call.dry), ctx, arguments)
    end,
  },
  writing({
    name = "kv.set", parameters = { "key", "value" },
    arguments = s.object({ key = key(), value = s.any() }),
  }, set),
  -- Whether there was such a key.
  writing({ name = "kv.delete", parameters = { "key" }, arguments = s.object({ key = key() }) },
    delete),
  -- The sum.
  writing({
    name = "kv.incr", parameters = { "key", "by" },
    arguments = s.object({ key = key(),
      by = s.number({ min = -WHOLE_MAX, max = WHOLE_MAX, default = 1 }) }),
  }, increase),
}
