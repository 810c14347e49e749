--- Keys for programs.

local json = require("core.json")
local paging = require("core.paging")
local reply = require("core.reply")
local s = require("core.schema")
local api_keys = require("services.identity.api_keys")

local NAME_MAX, SCOPES_MAX, NETWORKS_MAX, NETWORK_MAX = 100, 200, 50, 50
local GRACE_MAX_H = 24
local URL = "/api/v1/api-keys/"

local function name(optional)
  return s.string({ min = 1, max = NAME_MAX, trim = true, format = "line", optional = optional })
end

local function scopes(optional)
  return s.array({ of = s.string({ min = 1, max = 63 }), min = 1, max = SCOPES_MAX,
    optional = optional, describe = "permissions; the key has those that its owner has, too" })
end

local function networks()
  return s.array({ of = s.string({ min = 1, max = NETWORK_MAX, trim = true }), max = NETWORKS_MAX,
    optional = true, describe = "from where it may be used; empty: from anywhere" })
end

local function expiry()
  return s.string({ format = "date-time", optional = true, nullable = true })
end

local LIST = paging.query_schema({ sorts = api_keys.SORTS })

local NEW = s.object({ name = name(), scopes = scopes(), expiresAt = expiry(),
  ipAllowList = networks() })
local CHANGES = s.object({ name = name(true), scopes = scopes(true), expiresAt = expiry(),
  ipAllowList = networks() })
local ROTATION = s.object({ graceHours = s.integer({ min = 0, max = GRACE_MAX_H, default = 0,
  describe = "how long the key of before still works" }) })

local function time(options)
  return s.string({ format = "date-time", nullable = not (options and options.always) })
end

local function key_fields(more)
  local fields = {
    id = s.string({ format = "uuid" }),
    name = s.string(),
    prefix = s.string({ describe = "how the key begins" }),
    scopes = s.array({ of = s.string() }),
    ipAllowList = s.array({ of = s.string() }),
    owner = s.object({ id = s.string({ format = "uuid" }), name = s.string() }),
    expiresAt = time(),
    previousUntil = time(),
    lastUsedAt = time(),
    createdAt = time({ always = true }),
  }
  for field, schema in pairs(more or {}) do
    fields[field] = schema
  end
  return fields
end

local function secret()
  return s.string({ describe = "shown this once" })
end

local KEY = s.object(key_fields(), { name = "ApiKey" })
local NEW_KEY = s.object(key_fields({ key = secret() }), { name = "NewApiKey" })
local ROTATED = s.object({ id = s.string({ format = "uuid" }), key = secret(), prefix = s.string(),
  previousUntil = time() }, { name = "RotatedApiKey" })

local function answer(key, tag)
  return reply.ok(key, { etag = tag })
end

return {
  { method = "GET", path = "/api-keys", summary = "The tenant's API keys.",
    permission = "apikeys.read", query = LIST, answers = { [200] = "keys, the newest first" },
    returns = s.array({ of = KEY }),
    handler = function(ctx, input)
      local list, meta = api_keys.list(ctx, input.query)
      return reply.ok(list, { meta = meta })
    end },
  { method = "POST", path = "/api-keys", summary = "Make an API key that acts for me.",
    permission = "apikeys.create", secret = true, body = NEW,
    answers = { [201] = "the key, shown once", [403] = "more than the caller may" },
    returns = NEW_KEY,
    handler = function(ctx, input)
      if input.body.expiresAt == json.null then
        input.body.expiresAt = nil
      end
      local key, tag = api_keys.create(ctx, input.body)
      return reply.created(URL .. key.id, key, { etag = tag })
    end },
  { method = "GET", path = "/api-keys/:id", summary = "An API key.",
    permission = "apikeys.read", answers = { [200] = "the key", [404] = "no such key" },
    returns = KEY, versioned = true,
    handler = function(ctx, input)
      return answer(api_keys.get(ctx, input.params.id))
    end },
  { method = "PUT", path = "/api-keys/:id", summary = "Change an API key.",
    permission = "apikeys.update", body = CHANGES, versioned = true,
    answers = { [200] = "the key", [403] = "more than the caller may", [404] = "no such key" },
    returns = KEY,
    handler = function(ctx, input)
      return answer(api_keys.update(ctx, input.params.id, input.body))
    end },
  { method = "DELETE", path = "/api-keys/:id", summary = "Revoke an API key.",
    permission = "apikeys.delete", answers = { [200] = "revoked", [404] = "no such key" },
    returns = false, versioned = true,
    handler = function(ctx, input)
      api_keys.revoke(ctx, input.params.id)
      return reply.ok(json.null)
    end },
  { method = "POST", path = "/api-keys/:id/rotate", summary = "Exchange my API key for another.",
    permission = "apikeys.update", secret = true, body = ROTATION, versioned = true,
    answers = { [200] = "the new key, shown once", [403] = "another's key",
      [404] = "no such key" },
    returns = ROTATED,
    handler = function(ctx, input)
      return answer(api_keys.rotate(ctx, input.params.id, input.body.graceHours))
    end },
}
