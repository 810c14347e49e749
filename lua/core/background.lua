--- Loops that run beside the requests: the relay, the queue, the followers.
--
-- A loop calls `step` again and again: at once when step says there is more, else after
-- `every_ms` or as soon as somebody rings its channel. Bells ring through Redis; without it the
-- interval alone drives the loop. A step that raises is tried again with growing pauses, and the
-- log hears of the first failure and of the recovery only.
--
-- Stopping a loop lets the step under way finish. A loop belongs to one generation: start and
-- stop come in pairs.

local redis = require("host.redis")
local task = require("host.task")
local errors = require("core.errors")
local log = require("core.log")

local M = {}

local PREFIX = "fixxit:bell:"
local PAUSE_MIN_MS, PAUSE_MAX_MS = 250, 1000 -- what was away and is back is noticed at once
local LISTEN_MS = 60000
local RING_PAUSE_MS = 10 -- between two rings of a bell: what comes meanwhile is one

local Loop = {}
Loop.__index = Loop

local loops = {} -- channel -> set of the loops of this generation that listen to it
local ringing = {} -- channel -> "once" while its bell is on the way, "again" to ring once more

--- Ends the current pause of the loop. A ring during a step makes the step run once more.
function Loop:wake()
  self.rung = true
  self.bell:notify()
end

local function pause(loop, ms)
  if loop.rung or loop.stopped then
    return true
  end
  local ok, err = loop.bell:wait(ms)
  return ok or err.code ~= "CANCELLED"
end

local function step(loop)
  loop.rung = false
  local ok, more = xpcall(loop.step, errors.capture)
  if not ok then
    if loop.failures == 0 and not loop.stopped then
      log.warn(nil, "background loop failed",
        { loop = loop.name, error = tostring(more), traceback = more.traceback })
    end
    loop.failures = loop.failures + 1
    local base = math.min(PAUSE_MIN_MS * 2 ^ math.min(loop.failures - 1, 8), PAUSE_MAX_MS)
    loop.rung = false
    return base * (0.75 + math.random() / 2)
  end
  if loop.failures > 0 then
    log.info(nil, "background loop recovered", { loop = loop.name, failures = loop.failures })
    loop.failures = 0
  end
  if more == true then
    return 0
  end
  return type(more) == "number" and more or loop.every_ms
end

local function run(loop)
  while not loop.stopped do
    local ms = step(loop)
    if ms > 0 and not pause(loop, ms) then
      return
    end
    if ms <= 0 and not task.sleep(0) then
      return
    end
  end
end

-- Stopping the loop closes the subscription, which ends the wait here.
local function listen(loop)
  loop.subscription = redis.subscribe(PREFIX .. loop.channel)
  repeat
    local payload, err = loop.subscription:wait(LISTEN_MS)
    if payload then
      loop:wake()
    end
  until not payload and err.code ~= "TIMEOUT"
end

--- Starts a loop.
-- @param options name, step (function: true = more to do, a number = ms until the next turn,
--   nothing = every_ms), every_ms, channel (optional: the bell that wakes it)
-- @return the loop: loop:stop(), loop:wake()
function M.start(options)
  local loop = setmetatable({
    name = options.name,
    step = options.step,
    every_ms = options.every_ms,
    channel = options.channel,
    bell = task.signal(),
    rung = false,
    stopped = false,
    failures = 0,
  }, Loop)
  if loop.channel then
    loops[loop.channel] = loops[loop.channel] or {}
    loops[loop.channel][loop] = true
    task.spawn(listen, loop)
  end
  task.spawn(run, loop)
  return loop
end

--- Ends the loop after the step under way. Idempotent.
function Loop:stop()
  if self.stopped then
    return
  end
  self.stopped = true
  if self.channel then
    loops[self.channel][self] = nil
  end
  self.bell:notify()
  if self.subscription then
    self.subscription:close()
  end
end

local function publish(channel)
  repeat
    ringing[channel] = "once"
    redis.call("PUBLISH", PREFIX .. channel, "1") -- without Redis the loops poll
    task.sleep(RING_PAUSE_MS)
  until ringing[channel] == "once"
  ringing[channel] = nil
end

--- Wakes the loops that listen to a channel, here at once and elsewhere through Redis. Never
-- waits; rings that come while one is on its way become one.
function M.ring(channel)
  for loop in pairs(loops[channel] or {}) do
    loop:wake()
  end
  if ringing[channel] then
    ringing[channel] = "again"
  else
    task.spawn(publish, channel)
  end
end

return M
