--- What a run that may be tried again has read, so that another attempt reads the same: a rule goes
-- the same way through what was done, whatever others, or it itself, have changed meanwhile.
--
-- What was read before a write is kept in the row of that write's place (services.scripts.effects),
-- and commits with it. What comes after the last write of an attempt is not kept: nothing that was
-- done hangs on it, and the next attempt reads it anew. When a run has ended well, all that it read
-- and was given is forgotten; another attempt then has nothing to do.

local crypto = require("core.crypto")
local json = require("core.json")
local log = require("core.log")
local sealed = require("core.sealed")
local time = require("core.time")
local store = require("services.scripts.runs_store")

local M = {}

local PURPOSE = "scripts.answers"
local SORTED = { sorted = true }
-- Bytes of one run's answers. Who reads more between its changes reads the rest anew when tried
-- again.
local KEPT_MAX = 524288
local GIVEN = "given"

local Journal = {}
Journal.__index = Journal

--- By what a call is known again.
function M.digest(name, arguments)
  return crypto.hex(crypto.hash("sha256", name .. "\n" .. json.encode(arguments, SORTED)))
end

local function bound_to(ctx, origin, ordinal)
  return ("%s %s %s %d"):format(ctx.tenant.id, origin.cause, origin.handler, ordinal)
end

-- {{digest, JSON of the answer}, ...} of a place. What does not open (another key) is read anew.
local function open(ctx, origin, row)
  local text, err = nil, nil
  if row.answers then
    text, err = sealed.open(PURPOSE, row.answers, bound_to(ctx, origin, row.ordinal))
  end
  if err then
    log.error(ctx, "what a rule had read does not open", { cause = origin.cause,
      handler = origin.handler, problem = tostring(err) })
  end
  return text and json.decode(text) or {}
end

--- What was done and read under a cause by a handler, as far as it has committed.
-- @param origin cause, handler, again = whether there may have been an attempt
-- @return a journal: began_at = the time by which the run goes: its own, but that of the attempt
--   before which did something; places = {[ordinal] = {capability, digest, result}}
function M.open(ctx, origin)
  local journal = setmetatable({ cause = origin.cause, handler = origin.handler, places = {},
    position = 0, unkept = {}, size = 0 }, Journal)
  for _, row in ipairs(origin.again and store.list_effects(ctx, origin) or {}) do
    row.answers = open(ctx, origin, row)
    journal.places[row.ordinal] = row
    journal.began_at = journal.began_at or row.created_at
  end
  journal.began_at = journal.began_at or time.now()
  return journal
end

--- Whether an attempt before has ended well.
function Journal:is_over()
  return self.places[1] ~= nil and self.places[1].ended
end

--- Whether an attempt before has done something.
function Journal:has_begun()
  return self.places[1] ~= nil
end

-- The answer of the attempt before to the next question before a place; nil when it asked none or
-- another one there.
local function known_answer(journal, ordinal, digest)
  local place = journal.places[ordinal]
  local entry = place and place.answers[journal.position]
  return entry and entry[1] == digest and entry[2] or nil
end

local function keep(journal, digest, text)
  journal.size = journal.size + #text
  if journal.size <= KEPT_MAX then
    journal.unkept[#journal.unkept + 1] = { digest, text }
  end
end

--- The answer to what a run asks before its next write.
-- @param ordinal of that write
-- @param ask function() -> JSON text, asked when no attempt before knows it
-- @return JSON text
function Journal:answer(ordinal, name, arguments, ask)
  self.position = self.position + 1
  local digest = M.digest(name, arguments)
  local text = known_answer(self, ordinal, digest)
  if not text then
    text = ask()
    keep(self, digest, text)
  end
  return text
end

--- What a run is given that another attempt would not find as it is now: that of the attempt
-- before which did something, else `fresh`. To be called before anything is asked.
-- @param fresh a table
function Journal:given(fresh)
  return json.decode(self:answer(1, GIVEN, {}, function()
    return json.encode(fresh)
  end))
end

--- What has been read since the last write, for the row of a place; nil when nothing was.
function Journal:seal(ctx, ordinal)
  if #self.unkept == 0 then
    return nil
  end
  return sealed.seal(PURPOSE, json.encode(json.array(self.unkept)), bound_to(ctx, self, ordinal))
end

--- A write is done: what is read from here on comes before the next one.
function Journal:passed()
  self.position, self.unkept, self.has_written = 0, {}, true
end

--- The run has ended well.
function Journal:close(ctx)
  if self.has_written then
    store.end_effects(ctx, self)
  end
end

return M
