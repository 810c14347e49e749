--- What a run that may be tried again has read, so that another attempt reads the same: a rule goes
-- the same way through what was done, whatever others, or it itself, have changed meanwhile.
--
-- What was read before a write is kept, with what that gave back, in the row of the write's place
-- (services.scripts.effects), and commits with it. It is sealed with the keys of all whom it tells
-- of, too: nobody reads it once one of them was erased. What comes after the last write of an
-- attempt is not kept: nothing that was done hangs on it, and the next attempt reads it anew. When
-- a run has ended well, all that it read and was given is forgotten; another attempt then has
-- nothing to do.

local crypto = require("core.crypto")
local json = require("core.json")
local log = require("core.log")
local time = require("core.time")
local uuid = require("core.uuid")
local persons = require("services.persons")
local store = require("services.scripts.runs_store")

local M = {}

local PURPOSE = "scripts.answers"
local SORTED = { sorted = true }
-- Bytes of one run's answers. Who reads more between its changes reads the rest anew when tried
-- again.
local KEPT_MAX = 524288
local GIVEN, RESULT = "given", "result"
local DEPTH = { max_depth = 40 }
local DIGEST_BYTES = 32
local OPENING_BRACKET = ("["):byte()
local NOBODY = {}
-- What an object has that tells of a person, and how that looks in JSON.
local TELLING = { "name", "fullName", "firstName", "lastName", "email", "phone" }
local TELLING_TEXTS = { 'ame":', '"email":', '"phone":' }

local Journal = {}
Journal.__index = Journal

-- A call, as text.
local function said(name, arguments)
  return name .. "\n" .. json.encode(arguments, SORTED)
end

local function digest_of(call)
  return crypto.digest("sha256", call, DIGEST_BYTES)
end

--- By what a call is known again.
function M.digest(name, arguments)
  return digest_of(said(name, arguments))
end

local function bound_to(ctx, origin, ordinal)
  return ("%s %s %s %d"):format(ctx.tenant.id, origin.cause, origin.handler, ordinal)
end

-- Of whom a value tells: adds to a set of ids, which may be of others than persons, too.
local function add_people(value, ids)
  local id = value.userId or value.id
  for _, name in ipairs(uuid.is(id) and TELLING or NOBODY) do
    if value[name] ~= nil then
      ids[id] = true
    end
  end
  for _, part in pairs(value) do
    if type(part) == "table" then
      add_people(part, ids)
    end
  end
end

local function may_tell(text)
  for _, telling in ipairs(TELLING_TEXTS) do
    if text:find(telling, 1, true) then
      return true
    end
  end
end

-- The same of JSON.
local function add_people_of(text, ids)
  local value = may_tell(text) and json.decode(text, DEPTH)
  if type(value) == "table" then
    add_people(value, ids)
  end
end

-- Texts as one, each behind its length: as JSON, all that is JSON already would be written anew.
local function packed(texts)
  local parts = {}
  for i, text in ipairs(texts) do
    parts[2 * i - 1], parts[2 * i] = #text .. " ", text
  end
  return table.concat(parts)
end

-- Of what a place keeps: {{digest, text}, ...}. What starts as JSON is of a version before.
local function entries_of(text)
  if text:byte() == OPENING_BRACKET then
    return json.decode(text)
  end
  local texts, at = {}, 1
  while at <= #text do
    local _, last, len = text:find("^(%d+) ", at)
    at = last + len + 1
    texts[#texts + 1] = text:sub(last + 1, at - 1)
  end
  local entries = {}
  for i = 1, #texts, 2 do
    entries[#entries + 1] = { texts[i], texts[i + 1] }
  end
  return entries
end

--- Opens the row of a place: `answers` = {{digest, JSON of the answer}, ...}, what does not open is
-- read anew; `result` = JSON of what the write gave back, nil when nothing; `lost` = that is not
-- known any more.
-- @return the row
function M.read(ctx, origin, row)
  local text, err = nil, nil
  if row.answers then
    text, err = persons.open_together(ctx, row.persons and json.decode(row.persons) or NOBODY,
      PURPOSE, row.answers, bound_to(ctx, origin, row.ordinal))
  end
  if err and err ~= "ERASED" then
    log.error(ctx, "what a rule had read does not open", { cause = origin.cause,
      handler = origin.handler, problem = tostring(err) })
  end
  row.answers, row.lost = text and entries_of(text) or {}, err ~= nil
  local last = row.answers[#row.answers]
  row.result = last and last[1] == RESULT and last[2] or row.result
  return row
end

--- What was done and read under a cause by a handler, as far as it has committed.
-- @param origin cause, handler, again = whether there may have been an attempt
-- @return a journal: began_at = the time by which the run goes: its own, but that of the attempt
--   before which did something; places = {[ordinal] = {capability, digest, result, lost}}
function M.open(ctx, origin)
  local journal = setmetatable({ cause = origin.cause, handler = origin.handler, places = {},
    position = 0, unkept = {}, size = 0 }, Journal)
  for _, row in ipairs(origin.again and store.list_effects(ctx, origin) or {}) do
    journal.places[row.ordinal] = M.read(ctx, origin, row)
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
local function known_answer(journal, ordinal, call)
  local place = journal.places[ordinal]
  local entry = place and place.answers[journal.position]
  return entry and entry[1] == digest_of(call) and entry[2] or nil
end

-- What a write will have to keep, if one follows: most runs only read.
local function note(journal, call, text)
  journal.size = journal.size + #call + #text
  if journal.size <= KEPT_MAX then
    journal.unkept[#journal.unkept + 1] = { call = call, text = text }
  end
end

--- The answer to what a run asks before its next write.
-- @param ordinal of that write
-- @param ask function() -> JSON text, asked when no attempt before knows it
-- @return JSON text
function Journal:answer(ordinal, name, arguments, ask)
  self.position = self.position + 1
  local call = said(name, arguments)
  local text = known_answer(self, ordinal, call)
  if not text then
    text = ask()
    note(self, call, text)
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

--- What another attempt has done at a place meanwhile: as in `places`, or nil.
function Journal:find(ctx, effect)
  local row = store.find_effect(ctx, effect)
  return row and M.read(ctx, self, row)
end

-- Whether a result is a number, yes or no: what is done is counted so, and nobody is in it.
local function is_bare(result)
  return not result:find('^["%[{]')
end

-- What is kept with a place, sealed, and of whom it tells.
local function sealed_answers(ctx, journal, ordinal, result)
  local texts, people, ids = {}, {}, {}
  for _, read in ipairs(journal.unkept) do
    texts[#texts + 1] = digest_of(read.call)
    texts[#texts + 1] = read.text
    add_people_of(read.text, people)
  end
  if result then
    texts[#texts + 1] = RESULT
    texts[#texts + 1] = result
    add_people_of(result, people)
  end
  for id in pairs(people) do
    ids[#ids + 1] = id
  end
  local answers, of = persons.seal_together(ctx, ids, PURPOSE, packed(texts),
    bound_to(ctx, journal, ordinal))
  return answers, #of > 0 and json.encode(of) or nil
end

--- Takes the place of a write, with what has been read since the last one and what this one gave
-- back; as the end of its transaction, which fails when the place is taken (CONFLICT). It may begin
-- anew, too: nothing here changes.
-- @param result JSON text, or nil
function Journal:take(ctx, effect, result)
  if #self.unkept == 0 and (not result or is_bare(result)) then
    store.insert_effect(ctx, effect, result, nil, nil)
  else
    store.insert_effect(ctx, effect, nil, sealed_answers(ctx, self, effect.ordinal, result))
  end
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
