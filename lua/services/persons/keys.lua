--- Keys of persons, kept in each worker for a short time: who writes or reads what names somebody
-- asks the database now and then.
--
-- Who erases a person announces it the way a change of rights is announced; every worker drops the
-- key when it hears of that. Until then, a quarter of a second on other nodes, it can still read.

local crypto = require("core.crypto")
local db = require("core.db")
local sealed = require("core.sealed")
local time = require("core.time")
local store = require("services.persons.store")

local M = {}

local PURPOSE = "audit.person" -- the trail was the first to have them; the sealed keys go by it
local KEY_BYTES = 32
local KEEP_MS = 30000
local KEPT_MAX = 10000

local kept, kept_count = {}, 0 -- user id -> {key = or false once destroyed, until_ms}
local others, other_count = {}, 0 -- set of ids that are nobody's
local drops = 0 -- how often a key was dropped: a read that overlaps one is not kept

local function keep(user_id, key)
  if kept_count >= KEPT_MAX then
    kept, kept_count = {}, 0
  end
  kept_count = kept_count + (kept[user_id] and 0 or 1)
  kept[user_id] = { key = key, until_ms = time.monotonic_ms() + KEEP_MS }
end

-- A key that this transaction has made is none if it rolls back: it is kept when it has committed.
local function keep_later(ctx, found, before)
  db.after_commit(ctx, function()
    if before == drops then
      for user_id, key in pairs(found) do
        keep(user_id, key)
      end
    end
  end)
end

local function read(ctx, ids)
  local found, before = {}, drops
  for _, row in ipairs(store.list(ctx, ids)) do
    found[row.user_id] = row.sealed_key and sealed.open(PURPOSE, row.sealed_key, row.user_id)
      or false
  end
  keep_later(ctx, found, before)
  return found
end

--- The keys of persons, with one query at most: user id -> key, false once it was destroyed, nil
-- when there never was one.
function M.find(ctx, ids)
  local keys, unknown, asked, now_ms = {}, {}, {}, time.monotonic_ms()
  for _, user_id in ipairs(ids) do
    local entry = kept[user_id]
    if entry and entry.until_ms > now_ms then
      keys[user_id] = entry.key
    elseif not asked[user_id] then
      asked[user_id] = true
      unknown[#unknown + 1] = user_id
    end
  end
  for user_id, key in pairs(#unknown > 0 and read(ctx, unknown) or {}) do
    keys[user_id] = key
  end
  return keys
end

--- A person's key, made if there never was one; nil once it was destroyed.
function M.obtain(ctx, user_id)
  local key = M.find(ctx, { user_id })[user_id]
  if key == nil then
    store.insert(ctx, user_id, sealed.seal(PURPOSE, crypto.random(KEY_BYTES), user_id))
    key = M.find(ctx, { user_id })[user_id] -- another transaction may have been first
  end
  return key or nil
end

local function note_other(id)
  if other_count >= KEPT_MAX then
    others, other_count = {}, 0
  end
  others[id], other_count = true, other_count + 1
end

-- Makes keys for those among these ids who are persons.
local function make(ctx, ids, keys)
  local persons = {}
  for _, row in ipairs(#ids > 0 and store.list_persons(ctx, ids) or {}) do
    persons[row.id] = true
  end
  for _, id in ipairs(ids) do
    if persons[id] then
      keys[id] = M.obtain(ctx, id) or false
    else
      note_other(id)
    end
  end
end

--- The keys of those among these ids who are persons and were not erased, made where there never
-- was one.
-- @return their ids, in order, and their keys
function M.obtain_all(ctx, ids)
  local asked, new, people, own = {}, {}, {}, {}
  for _, id in ipairs(ids) do
    asked[#asked + 1] = not others[id] and id or nil
  end
  table.sort(asked) -- always in the same order, since keys may have to be made
  local keys = M.find(ctx, asked)
  for _, id in ipairs(asked) do
    new[#new + 1] = keys[id] == nil and id or nil
  end
  make(ctx, new, keys)
  for _, id in ipairs(asked) do
    if keys[id] then
      people[#people + 1], own[#own + 1] = id, keys[id]
    end
  end
  return people, own
end

--- What is kept of a person's key is no more to be believed.
function M.drop(user_id)
  drops = drops + 1
  kept_count = kept_count - (kept[user_id] and 1 or 0)
  kept[user_id] = nil
end

--- Destroys a person's key, in the caller's transaction.
function M.destroy(ctx, user_id)
  store.destroy(ctx, user_id)
  db.after_commit(ctx, function()
    M.drop(user_id)
  end)
end

return M
