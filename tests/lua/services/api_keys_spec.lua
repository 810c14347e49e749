-- API keys on a real database: when their use is written down.
local context = require("core.context")
local db = require("core.db")
local task = require("core.task")
local uuid = require("core.uuid")
local authentication = require("services.identity.authentication")
local identity = require("services.identity")
local seed = require("services.identity.seed")
local service = require("services.identity.service")
local store = require("services.identity.api_keys_store")
local tokens = require("services.identity.tokens")

local USES = 20
local NOTE_S = 60

local function request(headers)
  return context.new({
    ip = "192.0.2.1",
    req = { header = function(_, name)
      return headers[name]
    end },
  })
end

local function as_owner()
  local answer = service.login(request({}),
    { email = "owner@riverton.example", password = seed.PASSWORD }, {})
  local ctx = request({ authorization = "Bearer " .. answer.accessToken })
  identity.hooks.authenticate(ctx)
  return ctx
end

local function used_at(id)
  return db.platform(context.system()):one(
    "SELECT last_used_at FROM api_keys WHERE id = ?", id).last_used_at
end

local function age(id, seconds)
  db.platform(context.system()):exec(
    "UPDATE api_keys SET last_used_at = NOW(3) - INTERVAL ? SECOND WHERE id = ?", seconds, id)
  return used_at(id)
end

describe("the use of an API key", function()
  setup(function()
    seed.run(context.system({ name = "seed" }))
  end)

  local count = 0

  local function new_key(ctx)
    count = count + 1
    local row = { id = uuid.v7(), key = "fxk_" .. ("%051d"):format(count) }
    store.insert(ctx, { id = row.id, user_id = ctx.actor.user_id, name = "meter",
      prefix = row.key:sub(1, 12), key_hash = tokens.digest(row.key), scopes = '["users.read"]',
      ip_allow_list = "[]" })
    return row
  end

  it("is written down once a minute by each process, however often it is used", function()
    local key, touch = new_key(as_owner()), store.touch
    local noted, written = 0, 0
    store.touch = function(...)
      noted = noted + 1
      touch(...)
      written = written + 1
    end
    finally(function()
      store.touch = touch
    end)
    for _ = 1, USES do
      authentication.authenticate(request({ ["x-api-key"] = key.key }))
    end
    for _ = 1, 500 do
      if written == 1 then
        break
      end
      task.sleep(10)
    end
    assert.same({ 1, 1 }, { noted, written })
    assert.truthy(used_at(key.id))
  end)

  it("is written down once a minute by all of them together", function()
    local id, ctx = new_key(as_owner()).id, context.system()
    local before = age(id, NOTE_S - 10)
    store.touch(ctx, id, NOTE_S)
    assert.equal(before, used_at(id))
    before = age(id, NOTE_S)
    store.touch(ctx, id, NOTE_S)
    assert.is_true(used_at(id) > before)
  end)
end)
