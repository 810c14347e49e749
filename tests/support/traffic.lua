--- People at work while something breaks: some report without pause, some read lists, some listen
-- on sockets. Notes what each was told and how long it took.
local cqueues = require("cqueues")

local M = {}

local PAUSE_S = 0.02
local CATCH_UP_S = 30
local GOING_AWAY = 1001

local Traffic = {}
Traffic.__index = Traffic

local function fail(traffic, format, ...)
  traffic.failures[#traffic.failures + 1] = format:format(...)
end

-- Whether an answer is one that may be given: what was asked for, or "later" while this is allowed.
local function judge(traffic, wanted, what, ok, answer, seconds)
  traffic.slowest_s = math.max(traffic.slowest_s, seconds)
  if not ok then
    fail(traffic, "%s: no answer: %s", what, tostring(answer))
  elseif answer.status == wanted then
    traffic.answered = traffic.answered + 1
    return true
  elseif answer.status ~= 503 then
    fail(traffic, "%s: %d %s", what, answer.status, tostring(answer.body))
  elseif not tonumber(answer.headers["retry-after"]) then
    fail(traffic, "%s: 503 without Retry-After", what)
  else
    traffic.later = traffic.later + 1
  end
  return false
end

local function ask(traffic, wanted, method, path, options)
  local began = cqueues.monotime()
  local ok, answer = pcall(traffic.api.request, traffic.api, method, path, options)
  return judge(traffic, wanted, method .. " " .. path, ok, answer, cqueues.monotime() - began), answer
end

local function report(traffic)
  traffic.posted = traffic.posted + 1
  local well, answer = ask(traffic, 201, "POST", "/reports", { tenant = "riverton", json = {
    title = traffic.prefix .. traffic.posted, category = "pothole", severity = "low",
    location = { latitude = 51 + math.random() / 10, longitude = -2 - math.random() / 10 },
  } })
  if well then
    traffic.acknowledged[answer.json.data.id] = true
    traffic.told_at[answer.json.data.id] = cqueues.monotime()
    traffic.count = traffic.count + 1
  end
end

-- Signs in behind what was heard last. Another process that goes away may be met first.
local function open_socket(traffic, last)
  local point = last and ("&epoch=%s&lastSeq=%d"):format(last.epoch, last.seq) or ""
  local socket, signed_in, code
  repeat
    socket = traffic.api:socket("token=" .. traffic.token .. point)
    signed_in, code = socket:expect("auth:ok", CATCH_UP_S)
  until signed_in or code ~= GOING_AWAY
  assert(signed_in, code)
  return socket
end

-- Where it comes back, a socket may be told that the server goes away.
local function listen(traffic)
  local listener = { heard = {}, events = 0, resyncs = 0 }
  local socket, last = open_socket(traffic), nil
  traffic.listeners[#traffic.listeners + 1] = listener
  while not traffic.over do
    local message, code = socket:receive(1)
    if code == GOING_AWAY and traffic.come_back then
      traffic.came_back = traffic.came_back + 1
      socket = open_socket(traffic, last)
    elseif code then
      fail(traffic, "a socket was closed with %s: it had heard %d events, of %d reports",
        tostring(code), listener.events, traffic.count)
      return
    elseif message and message.type == "resync" then
      listener.resyncs = listener.resyncs + 1
    elseif message and message.type == "event" then
      last = message.seq and message or last
      listener.events = listener.events + 1
      if message.event == "report:created" then
        listener.heard[message.data.id] = true
        local told_at = traffic.told_at[message.data.id] -- it may be heard of before
        local late_s = told_at and cqueues.monotime() - told_at or 0
        traffic.slowest_event_s = math.max(traffic.slowest_event_s, late_s)
      end
    end
  end
  socket:close()
end

local function unheard(traffic)
  local missing = 0
  for _, listener in ipairs(traffic.listeners) do
    for id in pairs(listener.resyncs == 0 and traffic.acknowledged or {}) do
      missing = missing + (listener.heard[id] and 0 or 1)
    end
  end
  return missing
end

local function loop_of(loop, traffic, work)
  loop:wrap(function()
    while #traffic.listeners < traffic.sockets do -- who listens later has missed something
      cqueues.sleep(0.02)
    end
    while not traffic.stopped do
      work(traffic)
      cqueues.sleep(PAUSE_S)
    end
  end)
end

--- Adds it to a cqueues loop.
-- @param options api, token, prefix of the titles, reporters, readers, sockets, come_back: sockets
--   that are closed with 1001 come back
-- @return traffic {answered, later (503), failures, slowest_s, slowest_event_s = from an answer to
--   its event, acknowledged = set of ids, count,
--   posted, came_back}
function M.start(loop, options)
  local traffic = setmetatable({ answered = 0, later = 0, failures = {}, slowest_s = 0, count = 0,
    slowest_event_s = 0, acknowledged = {}, told_at = {}, posted = 0, listeners = {},
    came_back = 0 }, Traffic)
  for name, value in pairs(options) do
    traffic[name] = value
  end
  for _ = 1, options.sockets do
    loop:wrap(function()
      listen(traffic)
    end)
  end
  for _ = 1, options.reporters do
    loop_of(loop, traffic, report)
  end
  for _ = 1, options.readers do
    loop_of(loop, traffic, function()
      ask(traffic, 200, "GET", "/reports?limit=5", { token = traffic.token })
    end)
  end
  return traffic
end

--- Waits until `count` more requests were answered well. @return whether that happened
function Traffic:await(count, seconds)
  local wanted, deadline = self.answered + count, cqueues.monotime() + seconds
  while self.answered < wanted and cqueues.monotime() < deadline do
    cqueues.sleep(0.02)
  end
  return self.answered >= wanted
end

--- Ends it, once the sockets have heard of everything that was acknowledged.
-- @return how many times a socket did not hear of a report
function Traffic:finish()
  self.stopped = true
  local deadline = cqueues.monotime() + CATCH_UP_S
  while unheard(self) > 0 and cqueues.monotime() < deadline do
    cqueues.sleep(0.1)
  end
  self.over = true
  return unheard(self)
end

return M
