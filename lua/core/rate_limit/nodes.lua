-- One limit, held by several nodes: docs/decisions/0009-rate-limits.md.
--
-- Each node counts in its own memory. Small classes ask Redis for every use; the others tell it
-- every 100 ms what was used, and learn what was used elsewhere. Who gets no answer counts each
-- use as if all other nodes did the same. A node that is alone needs none of this.

local config = require("core.config")
local limits = require("host.limits")
local redis = require("core.redis")
local metrics = require("core.metrics")
local sys = require("core.sys")
local task = require("core.task")

local M = {}

local PREFIX = "fixxit:limit:"
local NODES = "rate_limit.nodes" -- lives with the process
local SMALL_PER_MINUTE, MINUTE_MS = 60, 60000
local SILENT_MS = 1000 -- for which Redis is not asked again after it kept us waiting
local BATCH = 150
local KEEP_MAX = 50000

-- For each key `known`, `own`, `wanted` and `allowance` in microseconds: what was used up,
-- whichever of the node and Redis knows more of it, then what the node's own uses add, then the
-- use that is asked for, if there is room. The value is a moment of Redis's clock, which so is
-- the only one; it was set back when more is used up than all nodes can have allowed. What makes
-- no sense is written over. The last microsecond forgives what rounding does.
local SCRIPT = [[
local time = redis.call("TIME")
local now, nodes = time[1] * 1000000 + time[2], ARGV[#ARGV]
local answer = {}
for i, key in ipairs(KEYS) do
  local known, own, wanted, allowance = unpack(ARGV, 4 * i - 3, 4 * i)
  local left = (tonumber(redis.pcall("GET", key)) or 0) - now
  if left > nodes * allowance then
    left = 0
  end
  local used = math.max(left, tonumber(known), 0) + own
  local allowed = used + wanted <= allowance + 1
  if allowed then
    used = used + wanted
  end
  if used > 0 then
    redis.call("SET", key, string.format("%.3f", now + used), "PX", math.ceil(used / 1000))
  end
  answer[2 * i - 1] = allowed and 1 or 0
  answer[2 * i] = math.floor(used)
end
return answer
]]

-- What lives here may be forgotten at any time: a key that is used again comes back with all that
-- was not told of it.
local function new_set()
  return { keys = {}, size = 0 }
end

local function put(set, key, value)
  if set.keys[key] == nil then
    if set.size == KEEP_MAX then
      set.keys, set.size = {}, 0
    end
    set.size = set.size + 1
  end
  set.keys[key] = value
end

local function drop(set, key)
  set.keys[key], set.size = nil, set.size - 1
end

local untold = new_set() -- key -> class, of those with uses that the next exchange tells of
local told = new_set() -- key -> class, of those that Redis was told of since it is there
local count -- of nodes, once asked for
local was_connected = false
local silent_until = 0 -- monotonic
local fallbacks, answer_ms -- a metric and a setting, set by M.build

--- Reads the settings, opens what is counted here.
function M.build()
  answer_ms = config.get().limits.answer_ms
  fallbacks = metrics.counter("fixxit_rate_limit_fallbacks_total",
    "Uses that were weighed for all nodes, because Redis did not answer.")
end

--- How many nodes there are, this one included.
function M.count()
  count = count or math.max(sys.shared_get(NODES), 1)
  return count
end

--- Says how many there are. Kept with the process, so that a new generation knows at once.
function M.set_count(nodes)
  count = nodes
  sys.shared_set(NODES, nodes)
end

-- What one use takes of the allowance.
local function interval_us(class)
  return math.floor(class.period_ms * 1e6 / class.count) / 1e3
end

-- Tells Redis what was used of the keys and learns what was used in all.
-- @param classes of the keys
-- @param uses of each that are asked for: 1 or 0
-- @return whether those of the first key are allowed; nil when there was no answer
local function consult(keys, classes, uses)
  local command, reports = { "EVAL", SCRIPT, #keys }, {}
  for _, key in ipairs(keys) do
    command[#command + 1] = PREFIX .. key
  end
  for i, key in ipairs(keys) do
    local known, own, added = limits.report(key)
    reports[i] = { own = own, added = added }
    local interval = interval_us(classes[i])
    for _, value in ipairs({ known, own, uses * interval, classes[i].count * interval }) do
      command[#command + 1] = value
    end
  end
  command[#command + 1] = M.count()
  local at_ms = sys.monotonic_ms()
  local answer = redis.call(unpack(command))
  for i, key in ipairs(keys) do
    local report, used = reports[i], answer and answer[2 * i]
    if used then
      limits.learn(key, report.own, report.added, used, at_ms)
      put(told, key, classes[i])
    else
      limits.unreport(key, report.own, report.added)
    end
  end
  return answer and answer[1] == 1
end

-- Runs fn(...) for at most `ms`; it goes on alone when it takes longer.
-- @return its result or nil, whether it ended in time
local function within(ms, fn, ...)
  local over, ended, result = task.signal(), false, nil
  task.spawn(function(...)
    result = fn(...)
    ended = true
    over:notify()
  end, ...)
  if not ended then
    over:wait(ms)
  end
  return result, ended
end

-- One use at least is left as far as this node knows; whether there really is one, or nil.
local function ask(class, key)
  local now = sys.monotonic_ms()
  if now < silent_until then
    return nil
  end
  local allowed, in_time = within(answer_ms, consult, { key }, { class }, 1)
  if not in_time then
    silent_until = now + SILENT_MS
  end
  return allowed
end

local function take_alone(class, key)
  metrics.add(fallbacks)
  put(untold, key, class)
  return limits.take(key, class.count, class.period_ms, 1, count)
end

local function take_small(class, key)
  local _, remaining, reset_ms = limits.take(key, class.count, class.period_ms, 0)
  local allowed = remaining >= 1 and ask(class, key)
  if allowed == nil then
    return take_alone(class, key)
  end
  if remaining >= 1 then -- Redis said more
    _, remaining, reset_ms = limits.take(key, class.count, class.period_ms, 0)
  end
  if allowed then
    return true, remaining, reset_ms, 0
  end
  local retry_ms = reset_ms - interval_us(class) * (class.count - 1) / 1000
  return false, 0, reset_ms, math.max(math.ceil(retry_ms), 1)
end

--- As limits.take of one use, for all nodes together. May wait for Redis, limits.answer_ms at most.
-- @param class {count, period_ms}
-- @return allowed, remaining, reset_ms, retry_after_ms
function M.take(class, key)
  if M.count() == 1 then
    return limits.take(key, class.count, class.period_ms)
  elseif class.count * MINUTE_MS <= SMALL_PER_MINUTE * class.period_ms then
    return take_small(class, key)
  elseif not redis.connected() then
    return take_alone(class, key)
  end
  put(untold, key, class)
  return limits.take(key, class.count, class.period_ms)
end

-- A Redis that was away may have come back with nothing: it is told again what is known.
local function tell_again_after_absence()
  local connected = redis.connected()
  if connected and not was_connected then
    for key, class in pairs(told.keys) do
      put(untold, key, class)
    end
    told = new_set()
  end
  was_connected = connected
end

--- Tells the other nodes of this worker's uses, and learns of theirs.
-- @return whether there is more to tell
function M.exchange()
  tell_again_after_absence()
  local keys, classes = {}, {}
  for key, class in pairs(untold.keys) do
    if #keys == BATCH then
      break
    end
    local i = #keys + 1
    keys[i], classes[i] = key, class
  end
  for _, key in ipairs(keys) do
    drop(untold, key)
  end
  if #keys > 0 and M.count() > 1 and consult(keys, classes, 0) == nil then
    for i, key in ipairs(keys) do
      put(untold, key, classes[i])
    end
    return false
  end
  return #keys == BATCH
end

return M
