-- A POST that carries an Idempotency-Key runs once in 24 h: docs/decisions/0003-idempotency.md.
--
-- claim -> handler, whose transaction stays open -> the answer goes into the claim's row -> commit.
-- Only the owner of the claim can do the third step, so of any number that try one commits.

local crypto = require("core.crypto")
local db = require("core.db")
local envelope = require("core.envelope")
local errors = require("core.errors")
local json = require("core.json")
local reply = require("core.reply")
local store = require("core.idempotency.store")
local task = require("core.task")
local uuid = require("core.uuid")

local M = {}

local KEY_MAX = 255
local LEASE_S = 10 -- after which a claim without an answer may be taken over
local POLL_MIN_MS, POLL_MAX_MS = 10, 200

--- The request's key, or nil when it has none or its route takes none. Raises 400.
function M.key(ctx, route)
  if route.method ~= "POST" or route.secret then
    return nil
  end
  local key = ctx.req:header("idempotency-key")
  if key and (#key > KEY_MAX or not key:find("^[\33-\126]+$")) then
    errors.validation({ { field = "Idempotency-Key", code = "format",
      message = "must be 1 to " .. KEY_MAX .. " visible ASCII characters" } })
  end
  return key
end

local function add(parts, text)
  parts[#parts + 1] = #text .. ":" .. text
end

local function digest(parts)
  return crypto.hex(crypto.hash("sha256", table.concat(parts)))
end

-- What was asked: the query and the body, of a form its fields and its files' contents.
local function request_hash(ctx)
  local parts = {}
  add(parts, ctx.req:query())
  add(parts, ctx.body_text or "")
  local form = ctx.form
  if form then
    local names = {}
    for name in pairs(form.fields) do
      names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
      add(parts, name)
      add(parts, form.fields[name])
    end
    for _, file in ipairs(form.files) do
      add(parts, file.name)
      add(parts, file.filename)
      add(parts, file.sha256)
    end
  end
  return digest(parts)
end

local function claim_of(ctx, key)
  local hash = request_hash(ctx)
  local actor = ctx.actor
  local parts = {}
  add(parts, actor.key_id and "key " .. actor.key_id
    or actor.user_id and "user " .. actor.user_id or "anonymous " .. hash)
  add(parts, ctx.tenant and ctx.tenant.id or "")
  add(parts, ctx.method)
  add(parts, ctx.path)
  add(parts, key)
  return { scope = digest(parts), request_hash = hash, owner = uuid.v7() }
end

local function replay(row)
  local headers = json.decode(row.headers)
  headers["Idempotent-Replayed"] = "true"
  return reply.raw(row.status, headers, row.body)
end

local function refuse_to_wait()
  errors.raise("SERVICE_UNAVAILABLE",
    "The first request with this Idempotency-Key has no answer yet")
end

-- Takes the key, or waits for the answer of who has it. Without `may_take` it only waits.
-- @return nil when the key is ours, else the row with the answer
local function acquire(ctx, claim, may_take)
  local pause_ms = POLL_MIN_MS
  if may_take and store.insert(ctx, claim, LEASE_S) then
    return nil
  end
  while true do
    local row = store.find(ctx, claim.scope)
    if row and not row.is_expired then
      if row.request_hash ~= claim.request_hash then
        errors.raise("IDEMPOTENCY_MISMATCH",
          "This Idempotency-Key was used for another request before")
      elseif row.state == "done" then
        return row
      end
    end
    if not row or row.is_expired or row.is_abandoned then
      if not may_take then
        refuse_to_wait()
      elseif not row and store.insert(ctx, claim, LEASE_S)
        or row and store.take_over(ctx, claim, row.owner, LEASE_S) then
        return nil
      end
    elseif not task.sleep(pause_ms) then
      refuse_to_wait()
    end
    pause_ms = math.min(pause_ms * 2, POLL_MAX_MS)
  end
end

local function copied(headers)
  local copy = {}
  for name, value in pairs(headers or {}) do
    copy[name] = value
  end
  return copy
end

-- The answer as it goes out and into the row; what is no text (a file) as it is.
local function settled(answer)
  local headers = copied(answer.headers)
  headers["ETag"] = answer.etag and '"' .. answer.etag .. '"' or headers["ETag"]
  if answer.kind == "raw" then
    return reply.raw(answer.status, headers, answer.body)
  elseif answer.kind ~= "data" then
    return answer
  end
  headers["Content-Type"] = envelope.TYPE
  headers["Location"] = answer.location
  return reply.raw(answer.status, headers, envelope.success(answer.data, answer.meta))
end

local function refusal(ctx, err)
  local headers = copied(err.headers)
  headers["Content-Type"] = envelope.TYPE
  return reply.raw(err.status, headers, envelope.failure(err, ctx.request_id))
end

local function give_back(ctx, claim, err)
  db.abandon_unit(ctx)
  pcall(store.release, ctx, claim) -- without a database its time runs out
  error(err, 0)
end

local function keep(ctx, claim, answer)
  if answer.kind ~= "raw" then
    return store.release(ctx, claim)
  end
  return store.complete(ctx, claim, answer.status, json.encode(json.object(answer.headers)),
    answer.body)
end

--- Runs `handler` unless the key was used before, in which case the first answer comes back.
-- @param key what M.key returned
-- @param handler returns a reply (core.reply) or raises
-- @return a reply
function M.run(ctx, key, handler)
  local claim = claim_of(ctx, key)
  local earlier = acquire(ctx, claim, true)
  if earlier then
    return replay(earlier)
  end
  db.open_unit(ctx)
  local ok, answer = xpcall(function()
    return settled(handler())
  end, errors.capture)
  if not ok then
    if answer.status >= 500 or answer.status == 429 then
      give_back(ctx, claim, answer)
    end
    answer = refusal(ctx, answer)
  end
  local kept, problem = pcall(db.close_unit, ctx, function(inner)
    return keep(inner, claim, answer)
  end)
  if not kept then
    give_back(ctx, claim, problem)
  end
  -- `problem` false: we were so slow that another took over, and nothing of ours was committed.
  return problem and answer or replay(acquire(ctx, claim, false))
end

--- Deletes answers older than a day. @return how many
M.purge = store.purge

return M
