--- Reloads a server again and again, with requests going on and sockets open, and tells what it
-- cost: behaviour that did not change, requests that failed, sockets that dropped, memory.
local cqueues = require("cqueues")
local exposition = require("tests.support.exposition")
local loads = require("tests.support.load")
local probes = require("tests.support.probe")
local servers = require("tests.support.server")

local M = {}

local CLIENTS = 4
local WARM_UP = 10 -- reloads before the memory is measured for the first time
local SEEN_S = 10

local function await(check, seconds)
  local deadline = cqueues.monotime() + seconds
  while not check() do
    if cqueues.monotime() > deadline then
      return false
    end
    cqueues.sleep(0.002)
  end
  return true
end

-- Resident memory of the HTTP workers in bytes, once each is down to one generation.
local function resident(server)
  local total
  await(function()
    local samples = exposition.parse(server.api:get("/metrics", { root = true }).body)
    local http = {}
    for _, sample in ipairs(samples) do
      if sample.name == "fixxit_lua_generations" and sample.value > 1 then
        cqueues.sleep(0.3)
        return false
      end
      if sample.name == "fixxit_process_resident_bytes" and sample.labels.process:find("^http") then
        http[#http + 1] = sample.value
      end
    end
    total = 0
    for _, bytes in ipairs(http) do
      total = total + bytes
    end
    return true
  end, 90)
  return assert(total, "generations stay alive")
end

-- Sockets that stay and listen; `report.heard` counts those that hear of a new report.
local function open_sockets(loop, server, token, report, count)
  for _ = 1, count do
    loop:wrap(function()
      local socket = server.api:socket("token=" .. token)
      assert(socket:expect("auth:ok"))
      report.open = report.open + 1
      while not report.over do
        local message, code = socket:receive(1)
        if code then
          report.dropped = report.dropped + 1
          return
        end
        if message and message.type == "event" and message.event == "report:created" then
          report.heard = report.heard + 1
        end
      end
      socket:close()
    end)
  end
end

-- Every answer is the value saved last or the one before it: the workers switch one after another.
local function watch_answers(report)
  return function(body)
    local value = tonumber(body:match('"value":(%d+)'))
    if value > report.saved or value < report.saved - 2 then
      report.stale = report.stale + 1
    end
    report.seen = math.max(report.seen, value)
  end
end

--- @param options reloads, sockets
-- @return report {reloads, unseen, requests, failures, stale, open, dropped, heard, first_bytes,
--   last_bytes, seconds}
function M.run(options)
  local probe = probes.new()
  local server = servers.start({ env = {
    FIXXIT_ROOT = probe.root, FIXXIT_SERVER_WORKERS = 2, FIXXIT_LIMITS_SCALE = 10000,
  } })
  local token = server.api:login("dispatcher@riverton.example").token
  local master = server:master()
  local report = { reloads = options.reloads, unseen = 0, stale = 0, open = 0, dropped = 0,
    heard = 0, saved = 0, seen = 0 }
  local loop = cqueues.new()
  local load = loads.start(loop, { port = server.port, path = "/api/v1/probe", clients = CLIENTS,
    pause_s = 0.002, on_answer = watch_answers(report) })
  open_sockets(loop, server, token, report, options.sockets)
  loop:wrap(function()
    await(function()
      return report.open == options.sockets
    end, 60)
    local began = cqueues.monotime()
    for i = 1, options.reloads do
      probe:set(i)
      report.saved = i
      assert(os.execute("kill -HUP " .. master) == 0)
      if not await(function()
        return report.seen == i
      end, SEEN_S) then
        report.unseen = report.unseen + 1
      end
      if i == WARM_UP then
        report.first_bytes = resident(server)
      end
    end
    report.seconds = cqueues.monotime() - began
    report.last_bytes = resident(server)
    server.api:post("/reports", { tenant = "riverton",
      json = { title = "After the storm", category = "other", location = { description = "here" } } })
    await(function()
      return report.heard == options.sockets
    end, 10)
    load:stop()
    report.over = true
  end)
  local ok, problem = loop:loop()
  report.requests, report.failures = load.requests, load.failures
  report.log = server:log_text()
  server:stop()
  probe:remove()
  assert(ok, problem)
  return report
end

return M
