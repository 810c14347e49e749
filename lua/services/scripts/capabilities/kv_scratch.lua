--- What rules write to kv in a dry run lies over what is stored: what they read afterwards sees it,
-- and it goes with the dry run.

local errors = require("core.errors")
local store = require("services.scripts.capabilities.kv_store")

local M = {}

local BYTES_MAX = 4 * 1024 * 1024

local Scratch = {}

local function size_of(name, text)
  return text ~= nil and #name + #(text or "") or 0
end

-- @param text JSON of the value; false: there is none
local function note(scratch, name, text)
  local texts = scratch.texts
  local bytes = scratch.bytes - size_of(name, texts[name]) + size_of(name, text)
  if bytes > BYTES_MAX then
    errors.raise("CONFLICT", ("a dry run keeps %d MiB of what is written to kv")
      :format(BYTES_MAX / 1024 / 1024))
  end
  texts[name], scratch.bytes = text, bytes
end

function Scratch:find(ctx, name)
  local text = self.texts[name]
  if text == nil then
    return store:find(ctx, name)
  end
  return text and { name = name, value = text } or nil
end

function Scratch:put(ctx, name, text)
  local is_new = not self:find(ctx, name)
  note(self, name, text)
  self.added = self.added + (is_new and 1 or 0)
end

Scratch.put_new = Scratch.put

function Scratch:delete(ctx, name)
  local was_there = self:find(ctx, name) ~= nil
  note(self, name, false)
  self.added = self.added - (was_there and 1 or 0)
  return was_there
end

function Scratch:count(ctx)
  return store:count(ctx) + self.added
end

Scratch.__index = Scratch

--- Where rules of a run keep their values: with the same functions as the store.
-- @param dry what belongs to a dry run, a table; nil: the store itself
function M.of(dry)
  if not dry then
    return store
  end
  dry.kv = dry.kv or setmetatable({ texts = {}, bytes = 0, added = 0 }, Scratch)
  return dry.kv
end

return M
