--- How long it takes from a publication until every worker of two nodes goes by it.
local raw_http = require("tests.support.raw_http")
local api = require("tests.bench.rules.api")
local processes = require("tests.bench.processes")

local M = {}

local CONNECTIONS, CONNECTIONS_MAX = 6, 60 -- of a node
local LOOK_EVERY_S, PATIENCE_S = 0.002, 30

local function rule(n)
  return { ["rules/version.lua"] = ('route("GET", "/version", function() return json({ n = %d }) end)\n')
    :format(n) }
end

local function sockets_of(pid)
  return tonumber(processes.shell(("ls -l /proc/%d/fd | grep -c socket: || true"):format(pid)))
end

local function counts(server)
  local list = {}
  for i, pid in ipairs(server.workers) do
    list[i] = sockets_of(pid)
  end
  return list
end

local function has_grown(server, before)
  for worker, count in ipairs(counts(server)) do
    if count <= before[worker] then
      return false
    end
  end
  return true
end

-- Connections that stay, until each worker of the node has taken one.
local function connect(server, list)
  local before = counts(server)
  for i = 1, CONNECTIONS_MAX do
    local peer = raw_http.connect(server.port)
    list[#list + 1] = peer
    peer:send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    peer:answer()
    if i >= CONNECTIONS and has_grown(server, before) then
      return
    end
  end
  error("publish: a worker takes no connections", 0)
end

-- What a worker answers now.
local function version(peer, person)
  peer:send(("GET /api/v1/x/version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n")
    :format(person.token))
  local answer = peer:answer()
  return answer and tonumber(answer.body:match('"n":(%d+)'))
end

-- Until all of them have answered so.
local function await(peers, person, n)
  processes.await("the effect", PATIENCE_S, function()
    for _, peer in ipairs(peers) do
      if version(peer, person) ~= n then
        return processes.sleep(LOOK_EVERY_S)
      end
    end
    return true
  end)
end

local function measure(run, peers, person)
  local after_call, after_answer = 0, 0
  for n = 1, run.tries do
    local began = processes.now()
    api.publish(run.world, run.server.port, person, rule(n))
    local answered = processes.now()
    await(peers, person, n)
    local seen = processes.now()
    after_call = math.max(after_call, seen - began)
    after_answer = math.max(after_answer, seen - answered)
    run.say("try %d: everywhere %.0f ms after the answer, %.0f after the call", n,
      (seen - answered) * 1000, (seen - began) * 1000)
  end
  return after_call, after_answer
end

function M.run(run)
  local person, peers = run.people[1], {}
  local second = run.start_second()
  local ok, after_call, after_answer = pcall(function()
    connect(run.server, peers)
    connect(second, peers)
    return measure(run, peers, person)
  end)
  for _, peer in ipairs(peers) do
    peer:close()
  end
  processes.stop(second.pid)
  if not ok then
    error(after_call, 0)
  end
  run.add(("from a publication to its effect on every worker of two nodes, the longest of %d"):format(
    run.tries), ("%.0f ms after the answer, %.0f after the call"):format(after_answer * 1000,
    after_call * 1000), "1000 ms")
end

return M
