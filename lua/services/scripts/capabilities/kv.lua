--- kv: a small store of values that last, for all scripts of a tenant. What runs write there is a
-- part of what they do, so it commits with their effects; it is nobody's data and is not audited.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local s = require("core.schema")
local store = require("services.scripts.capabilities.kv_store")

local KEY_MAX = 200 -- bytes
local VALUE_MAX = 16384 -- bytes as JSON
local KEYS_MAX = 10000 -- of one tenant
local WHOLE_MAX = 2 ^ 53

local function key()
  return s.string({ min = 1, max = KEY_MAX })
end

local function check_room(ctx)
  if store.count(ctx) >= KEYS_MAX then
    errors.raise("CONFLICT", ("kv holds %d keys already"):format(KEYS_MAX))
  end
end

local function put(ctx, name, value)
  local text = json.encode(value)
  if #text > VALUE_MAX then
    errors.validation({ { field = "value", code = "length",
      message = ("must have at most %d bytes as JSON"):format(VALUE_MAX) } })
  end
  if not store.find(ctx, name, true) then
    check_room(ctx)
  end
  store.put(ctx, name, text)
end

local function increase(ctx, name, by)
  local row = store.find(ctx, name, true)
  local value = row and json.decode(row.value) or 0
  if not row then
    check_room(ctx)
    store.put_new(ctx, name, "0")
    value = json.decode(store.find(ctx, name, true).value) -- another may have been first
  end
  local sum = type(value) == "number" and value + by
  if not sum or sum ~= sum or math.abs(sum) >= WHOLE_MAX then
    errors.raise("VALIDATION_ERROR", ("kv.incr: what '%s' holds cannot be counted on"):format(name))
  end
  store.put(ctx, name, json.encode(sum))
  return sum
end

return {
  {
    -- The value, or nothing.
    name = "kv.get", parameters = { "key" }, arguments = s.object({ key = key() }),
    run = function(ctx, arguments)
      local row = store.find(ctx, arguments.key)
      return row and json.raw(row.value) or json.null
    end,
  },
  {
    name = "kv.set", writes = true, parameters = { "key", "value" },
    arguments = s.object({ key = key(), value = s.any() }),
    run = function(ctx, arguments)
      db.transaction(ctx, function(tx)
        put(tx, arguments.key, arguments.value)
      end)
    end,
    made_up = function() end,
  },
  {
    -- Whether there was such a key.
    name = "kv.delete", writes = true, parameters = { "key" },
    arguments = s.object({ key = key() }),
    run = function(ctx, arguments)
      return store.delete(ctx, arguments.key)
    end,
    made_up = function()
      return true
    end,
  },
  {
    -- The sum.
    name = "kv.incr", writes = true, parameters = { "key", "by" },
    arguments = s.object({ key = key(),
      by = s.number({ min = -WHOLE_MAX, max = WHOLE_MAX, default = 1 }) }),
    run = function(ctx, arguments)
      return db.transaction(ctx, function(tx)
        return increase(tx, arguments.key, arguments.by)
      end)
    end,
    made_up = function(arguments)
      return arguments.by
    end,
  },
}
