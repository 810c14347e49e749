--- Puts a load on a server and tells what came of it.
local processes = require("tests.bench.processes")

local M = {}

local OPEN_S = 120

local function numbers(text)
  local found = {}
  for name, value in text:gmatch("([%w_]+)=([%d.]+)") do
    found[name] = tonumber(value)
  end
  return found
end

--- Writes requests to a file for M.http.
-- @param list of {method, path, token, body, header = such as "X-Tenant: town"}
function M.write_requests(path, list)
  local lines = {}
  for i, request in ipairs(list) do
    lines[i] = table.concat({ request.method or "GET", request.path, request.token or "",
      request.body or "", request.header or "" }, "\t")
  end
  processes.write(path, table.concat(lines, "\n") .. "\n")
end

--- Sends requests from a file over keep-alive connections, the next on each as soon as the one
-- before is answered.
-- @param options port, requests (path of the file), seconds, connections, first (the request to
--   begin with)
-- @return {requests, seconds, p50_us, p99_us, errors}
function M.http(options)
  local output = processes.shell(("env BENCH_REQUESTS=%s BENCH_FIRST=%d wrk -t1 -c%d -d%ds --timeout 30s "
    .. "-s tests/bench/wrk.lua http://127.0.0.1:%d/"):format(options.requests, options.first or 0,
    options.connections, options.seconds, options.port))
  local told = numbers(output:match("\nresult ([^\n]+)") or error("wrk: " .. output, 0))
  return { requests = told.requests, seconds = told.duration_us / 1e6, p50_us = told.p50_us,
    p99_us = told.p99_us, errors = told.refused + told.broken }
end

--- Sends requests from a file at a steady rate, whatever the server makes of them.
-- @param options port, requests (path of the file), kinds (the nth request is of kind n modulo so
--   many), connections, rate (requests a second, of all kinds), seconds, tools (folder)
-- @return by kind {requests, p50_us, p99_us, errors}
function M.paced(options)
  local output = processes.shell(("%s/paced %d %s %d %d %g %g"):format(options.tools, options.port,
    options.requests, options.kinds, options.connections, options.rate, options.seconds))
  local kinds = {}
  for line in output:gmatch("kind=[^\n]+") do
    local told = numbers(line)
    kinds[told.kind + 1] = { requests = told.requests, p50_us = told.p50_us, p99_us = told.p99_us,
      errors = told.refused }
  end
  return kinds
end

local Sockets = {}
Sockets.__index = Sockets

local function last_line(sockets)
  local text = processes.read(sockets.output) or ""
  if text:find("^sockets: ") or text:find("\nsockets: ") then
    error(text, 0)
  end
  return text:match("([^\n]*)\n$") or ""
end

--- Opens WebSockets and holds them until :close().
-- @param options tools, folder, port, target, count, ready, post = {path, token, body} of the
--   request that causes an event
function M.sockets(options)
  local post, output = options.folder .. "/post", options.folder .. "/sockets.out"
  os.remove(output)
  processes.write(post, ("POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
    .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(options.post.path,
    options.post.token, #options.post.body, options.post.body))
  local pipe = assert(io.popen(("%s/sockets %d '%s' %d '%s' report:created %s >%s 2>&1"):format(
    options.tools, options.port, options.target, options.count, options.ready, post, output), "w"))
  local sockets = setmetatable({ pipe = pipe, output = output }, Sockets)
  processes.await("the opening of the sockets", OPEN_S, function()
    return last_line(sockets) == "open " .. options.count
  end)
  return sockets
end

--- Sends one event after the other, each when all sockets have heard the one before.
-- @return {requests = deliveries, events, seconds, p50_us, p99_us, errors}
function Sockets:fan_out(seconds)
  self.pipe:write("go ", seconds, "\n")
  self.pipe:flush()
  local told
  processes.await("the end of the fan-out", seconds + OPEN_S, function()
    told = numbers(last_line(self))
    return told.deliveries
  end)
  processes.write(self.output, "")
  return { requests = told.deliveries, events = told.events, seconds = told.seconds,
    p50_us = told.p50_us, p99_us = told.p99_us, errors = 0 }
end

function Sockets:close()
  self.pipe:close()
end

return M
