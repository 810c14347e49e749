--- How a person wants to be told things, and what follows for one message.

local db = require("core.db")
local json = require("core.json")
local zones = require("core.zone")
local audit = require("services.audit")
local store = require("services.notifications.preferences_store")

local M = {}

local HOUR_MS, DAY_MS = 3600000, 86400000
local DIGEST_HOUR = 8 -- of a daily digest, by the person's clock
local DEFAULTS = { in_app = true, email = true, sms = false, push = false }
local UTC = "UTC"

local NOTHING_SAID = { channels = {}, types = {}, digest = "off" }

local function read(row)
  local said = row and json.decode(row.preferences) or {}
  return {
    channels = said.channels or {},
    types = said.types or {},
    quietHours = said.quietHours,
    digest = said.digest or "off",
  }
end

--- The preferences of these people: {[user id] = {channels, types, quietHours|nil, digest}}; who
-- never said anything has empty ones.
function M.of_all(ctx, user_ids)
  local found = setmetatable({}, { __index = function()
    return NOTHING_SAID
  end })
  for _, row in ipairs(store.list(ctx, user_ids)) do
    found[row.user_id] = read(row)
  end
  return found
end

--- Whether a message of this type goes to a person by this channel.
-- @param asked whether who sends it named the channel: then it goes unless the person said no
function M.allows(preferences, type, channel, asked)
  local of_type = preferences.types[type]
  local said
  if of_type then
    said = of_type[channel]
  end
  if said == nil then
    said = preferences.channels[channel]
  end
  if said == nil then
    return asked or DEFAULTS[channel]
  end
  return said
end

local function zone_of(preferences, default)
  local quiet = preferences.quietHours
  return zones.find(quiet and quiet.timezone or default or UTC) or zones.UTC
end

local function minutes(text)
  return tonumber(text:sub(1, 2)) * 60 + tonumber(text:sub(4, 5))
end

--- When a message may leave: now, or at the end of the person's quiet hours.
-- @param timezone of who said none
function M.after_quiet(preferences, timezone, now_ms)
  local quiet = preferences.quietHours
  if not quiet then
    return now_ms
  end
  local zone = zone_of(preferences, timezone)
  local wall = zone:to_local(now_ms)
  local midnight = math.floor(wall / DAY_MS) * DAY_MS
  local minute = math.floor((wall - midnight) / 60000)
  local from, to = minutes(quiet.start), minutes(quiet["end"])
  local over_night = from > to
  local is_quiet = over_night and (minute >= from or minute < to)
    or not over_night and minute >= from and minute < to
  if not is_quiet then
    return now_ms
  end
  local day = over_night and minute >= from and 1 or 0
  return zone:to_utc(midnight + day * DAY_MS + to * 60000)
end

--- When the next digest goes out, or nil: the person wants none.
function M.next_digest(preferences, timezone, now_ms)
  if preferences.digest == "hourly" then
    return (math.floor(now_ms / HOUR_MS) + 1) * HOUR_MS
  elseif preferences.digest == "daily" then
    local zone = zone_of(preferences, timezone)
    local midnight = math.floor(zone:to_local(now_ms) / DAY_MS) * DAY_MS
    local today = zone:to_utc(midnight + DIGEST_HOUR * HOUR_MS)
    return today > now_ms and today or zone:to_utc(midnight + DAY_MS + DIGEST_HOUR * HOUR_MS)
  end
end

local function shown(preferences)
  return {
    channels = json.object(preferences.channels),
    types = json.object(preferences.types),
    quietHours = preferences.quietHours or json.null,
    digest = preferences.digest,
  }
end

--- The caller's preferences, as the API shows them.
function M.get(ctx)
  return shown(read(store.find(ctx, ctx.actor.user_id)))
end

--- Checks what a schema cannot tell.
function M.check(_, input, problem)
  local quiet = input.body and input.body.quietHours
  if type(quiet) == "table" then
    zones.check(quiet.timezone, "quietHours.timezone", problem)
  end
end

--- Sets the caller's preferences: what is not named is as if it had never been said.
-- @param given of schema.preferences
-- @param verify called with them as they are, locked
function M.put(ctx, given, verify)
  local user_id = ctx.actor.user_id
  db.transaction(ctx, function(tx_ctx)
    local before = store.find(tx_ctx, user_id, true)
    verify(shown(read(before)))
    if given.quietHours == json.null then
      given.quietHours = nil
    end
    store.put(tx_ctx, user_id, json.encode(json.object(given)))
    audit.write(tx_ctx, { action = "notifications.preferences", resource_type = "user",
      resource_id = user_id, old = before and json.decode(before.preferences), new = given })
  end)
  return M.get(ctx)
end

return M
