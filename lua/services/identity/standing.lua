--- Who a token speaks for, right now.
--
-- A token names a session; the session's user, role and permissions are read from the database
-- and kept for a short time. What makes them stale (a logout, a ban, a changed role) is a row of
-- security_events, written with the change: every worker follows that table. While a worker has
-- not managed to read it for a second, nothing kept is believed and the database is asked.
--
-- Among the processes of a node that is too slow: the next request may come to another of them.
-- So whoever announced a change counts it, once it has committed, in a number that all of them
-- share; and who finds more counted than it has heard of reads the table before it answers.
--
-- Rows may become visible out of the order of their ids (a transaction that began earlier commits
-- later): a gap between ids stays open for SETTLED_S, longer than a request may take, and what is
-- behind it is read again each time; `seen` keeps from acting twice.

local background = require("core.background")
local context = require("core.context")
local counters = require("core.counters")
local db = require("core.db")
local errors = require("core.errors")
local task = require("core.task")
local time = require("core.time")
local roles = require("services.identity.roles")
local store = require("services.identity.store")
local tenants = require("services.identity.tenants")
local tokens = require("services.identity.tokens")
local view = require("services.identity.view")

local M = {}

jit.on(true, true) -- every request goes through it

local KEEP_MS = 30000
local KEEP_MAX = 10000
local FOLLOW_MS = 250
local STALE_MS = 1000
local SETTLED_S = 40
local BATCH = 10000
local ANNOUNCED = "security.announced"
local WAIT_MS = 5000 -- for another's read
-- What follows the same way without being about rights: these leave them as they are.
local TENANT, SCRIPTS = "tenant.changed", "scripts.changed"

local kept, kept_count = {}, 0 -- id -> {standing, until_ms}
local changes = 0 -- how often something was forgotten: a read that overlaps one is not kept
local followed_ms -- when security_events was last read
local floor -- the id up to which no row can follow any more; nil before the first read
local seen = {} -- ids above the floor that were acted on
local announced -- the counter of this node's announcements, once opened
local heard = -1 -- what it stood at when security_events was last read
local reading -- a signal that the read under way has ended, while there is one
local watchers = {} -- functions called with each security event

local function forget(event)
  if event.kind == SCRIPTS then
    return
  end
  changes = changes + 1
  if event.session_id then
    kept[event.session_id] = nil
    return
  end
  for id, entry in pairs(kept) do
    local standing = entry.standing
    if standing.user_id == event.user_id
      or not event.user_id and standing.tenant_id == event.tenant_id then
      kept[id] = nil
    end
  end
  if event.kind:find("^tenant%.") then
    tenants.forget(event.tenant_id)
  end
end

local function act(event)
  forget(event)
  for watcher in pairs(watchers) do
    watcher(event)
  end
end

local function announcements()
  announced = announced or counters.open(ANNOUNCED)
  return counters.get(announced)
end

-- Acts on what is new in the table. @return whether there is more
local function read_events()
  local ctx = context.system({ name = "security" })
  local count, started_ms = announcements(), time.monotonic_ms()
  local rows = store.list_security_events(ctx, floor or 0, BATCH)
  for _, row in ipairs(rows) do
    -- At the start the sockets of the generation before may not have heard the latest.
    if not seen[row.id] and (floor or row.age_s <= SETTLED_S) then
      act(row)
    end
    seen[row.id] = true
  end
  floor = floor or 0
  for _, row in ipairs(rows) do
    if row.id ~= floor + 1 and row.age_s <= SETTLED_S then
      break
    end
    floor = row.id
    seen[row.id] = nil
  end
  followed_ms = started_ms
  if #rows < BATCH then
    heard = math.max(heard, count)
  end
  return #rows == BATCH
end

-- One read at a time: who comes meanwhile waits for its end. @return whether there is more
local function follow()
  if reading then
    errors.check(reading:wait(WAIT_MS))
    return heard < announcements()
  end
  reading = task.signal()
  local ok, more = xpcall(read_events, errors.capture)
  local done = reading
  reading = nil
  done:notify()
  if not ok then
    error(more, 0)
  end
  return more
end

-- Returns when all is heard of that was announced on this node before.
local function catch_up()
  local count = announcements()
  while heard < count do
    follow()
  end
end

local function is_following()
  return followed_ms ~= nil and time.monotonic_ms() - followed_ms < STALE_MS
end

--- Whether the person of a session or a key may act at all.
-- @param row of an account with its membership in tenant_id, where there is one
function M.may_act(row)
  return row.status == "active" and not row.deleted_at
    and (not row.tenant_id or row.member)
end

--- What is kept of such a row, for M.actor.
function M.person(row)
  return {
    user_id = row.user_id,
    tenant_id = row.tenant_id,
    email = row.email,
    name = view.full_name(row),
    role = row.role,
    platform_admin = row.platform_admin or false,
    permissions = roles.effective(row),
  }
end

--- The actor of a request, of what is kept.
-- @param kind "user" or "key"
-- @param token_expires_ms or nil
function M.actor(kind, standing, token_expires_ms)
  return {
    kind = kind,
    session_id = standing.session_id,
    key_id = standing.key_id,
    token_expires_ms = token_expires_ms,
    user_id = standing.user_id,
    email = standing.email,
    name = standing.name,
    role = standing.role,
    permissions = standing.permissions,
    platform_admin = standing.platform_admin,
  }
end

local function read_session(ctx, session_id)
  local row = store.find_standing(ctx, session_id)
  if not row or row.ended_at or not M.may_act(row) then
    return nil
  end
  local standing = M.person(row)
  standing.session_id = row.id
  return standing
end

--- What read(ctx, id) tells of who has an id: {user_id, tenant_id, ...}, or nil. It is kept until
-- it may be stale.
-- @param id of a session, or the hash of an API key
function M.find(ctx, id, read)
  catch_up()
  local entry = kept[id]
  if entry and entry.until_ms > time.monotonic_ms() and is_following() then
    return entry.standing
  end
  local before = changes
  local standing = read(ctx, id)
  if standing and before == changes then
    if kept_count >= KEEP_MAX then
      kept, kept_count = {}, 0
    end
    kept_count = kept_count + (kept[id] and 0 or 1)
    kept[id] = { standing = standing, until_ms = time.monotonic_ms() + KEEP_MS }
  end
  return standing
end

local function refuse()
  errors.raise("UNAUTHORIZED", "The session has ended: sign in again")
end

--- The actor and the tenant that a session speaks for; raises 401 when it has ended.
-- @param expires_ms when the token ends by which the session is known
function M.of_session(ctx, session_id, expires_ms)
  local standing = M.find(ctx, session_id, read_session)
  if not standing then
    refuse()
  end
  local tenant = standing.tenant_id and tenants.find(ctx, standing.tenant_id) or nil
  if standing.tenant_id and not tenant then
    refuse()
  end
  return M.actor("user", standing, expires_ms), tenant
end

--- The actor and the tenant that an access token speaks for; raises 401.
function M.of_token(ctx, token)
  local claims = tokens.read(token)
  local actor, tenant = M.of_session(ctx, claims.sid, claims.exp * 1000)
  if actor.user_id ~= claims.sub or (tenant and tenant.id) ~= claims.tid then
    refuse()
  end
  return actor, tenant
end

--- Tells every worker that rights changed, in the transaction of the change. Those of this node
-- know it for the next request once the transaction has committed, the others at the latest 250 ms
-- later.
-- @param event kind ("session.ended", "user.changed", "membership.changed", "role.changed",
--   "key.changed", "tenant.ended"; "tenant.changed" and "scripts.changed" leave the rights of its
--   members as they are), user_id, tenant_id, session_id as far as they say whose
function M.announce(ctx, event)
  store.insert_security_event(ctx, event)
  db.after_commit(ctx, function()
    act(event)
    local before = announcements()
    if counters.add(announced) == before + 1 and heard == before then
      heard = before + 1 -- it was this one alone
    end
    background.ring("security")
  end)
end

--- Whether an event is about rights: of sessions, members, a whole tenant.
function M.touches_rights(event)
  return event.kind ~= TENANT and event.kind ~= SCRIPTS
end

--- Calls fn(event) for every security event; fn must not wait. Ends with M.unwatch(fn).
function M.watch(fn)
  watchers[fn] = true
end

function M.unwatch(fn)
  watchers[fn] = nil
end

--- Starts following. loop:stop() ends it.
function M.start()
  return background.start({
    name = "security events",
    channel = "security",
    every_ms = FOLLOW_MS,
    step = follow,
  })
end

return M
