--- A REST and WebSocket client for the black-box tests, on lua-http: an implementation of
-- HTTP/1.1 and RFC 6455 that shares no line with the server.
local cjson = require("cjson.safe")
local cqueues = require("cqueues")
local socket = require("cqueues.socket")
local http_request = require("http.request")
local http_websocket = require("http.websocket")
local patience = require("tests.support.patience")

local M = {}

local PASSWORD = "Fixxit-demo-2026"
local TIMEOUT_S = 20 * patience
local PATIENCE_S = 5 * patience

-- lua-http reads the payload of a frame of 126 to 65535 bytes without waiting, as if it had always
-- come together with its head, and raises when it has not: its reads without time get some.
local xread
xread = socket.interpose("xread", function(self, what, mode, timeout)
  return xread(self, what, mode, timeout == 0 and TIMEOUT_S or timeout)
end)

local Client = {}
Client.__index = Client

-- The servers under test sign their certificates themselves.
local function trusting_context()
  local context = require("http.tls").new_client_context()
  context:setVerify(require("openssl.ssl.context").VERIFY_NONE)
  return context
end

--- @param port number the server's port on the loopback address
-- @param encrypted boolean whether it speaks TLS
function M.new(port, encrypted)
  return setmetatable({
    base = ("http%s://127.0.0.1:%d"):format(encrypted and "s" or "", port), port = port,
    tls = encrypted and trusting_context() or nil,
  }, Client)
end

--- Encodes parts as multipart/form-data (RFC 7578).
-- @param parts array of {name, value} or {name, value, filename=, type=}
-- @return body, content type
function M.multipart(parts)
  local boundary = "----fixxit" .. tostring(math.random(1e9)) .. os.time()
  local out = {}
  for _, part in ipairs(parts) do
    out[#out + 1] = "--" .. boundary .. "\r\n"
    out[#out + 1] = 'Content-Disposition: form-data; name="' .. part[1] .. '"'
    if part.filename then
      out[#out + 1] = '; filename="' .. part.filename .. '"\r\nContent-Type: '
        .. (part.type or "application/octet-stream")
    end
    out[#out + 1] = "\r\n\r\n" .. part[2] .. "\r\n"
  end
  out[#out + 1] = "--" .. boundary .. "--\r\n"
  return table.concat(out), "multipart/form-data; boundary=" .. boundary
end

--- Calls all functions at the same time. @return array of what each returned
function M.at_once(calls)
  local loop, results = cqueues.new(), {}
  for i, call in ipairs(calls) do
    loop:wrap(function()
      results[i] = call()
    end)
  end
  assert(loop:loop())
  return results
end

--- Calls call(1) ... call(count) at the same time: more than there are processes, and each is asked.
-- @return array of what each returned
function M.times(count, call)
  local calls = {}
  for i = 1, count do
    calls[i] = function()
      return call(i)
    end
  end
  return M.at_once(calls)
end

local function collect_headers(headers)
  local result = {}
  for name, value in headers:each() do
    result[name] = result[name] and result[name] .. ", " .. value or value
  end
  return result
end

--- Sends one request.
-- @param options {token=, headers=, json=, body=, multipart=, tenant=}
-- @return {status=, headers=, body=, json=}; raises when there is no answer at all
function Client:request(method, path, options)
  options = options or {}
  local root = path:match("^/api/") or path:match("^/%a+%.?%a*$") and options.root
  local request = http_request.new_from_uri(self.base .. ((root or options.root) and "" or "/api/v1") .. path)
  request.follow_redirects = false
  request.ctx = self.tls
  request.headers:upsert(":method", method)
  request.headers:delete("expect")
  if options.token then
    request.headers:upsert("authorization", "Bearer " .. options.token)
  end
  if options.tenant then
    request.headers:upsert("x-tenant", options.tenant)
  end
  if options.json ~= nil then
    request.headers:upsert("content-type", "application/json")
    request:set_body(assert(cjson.encode(options.json)))
  elseif options.multipart then
    local body, content_type = M.multipart(options.multipart)
    request.headers:upsert("content-type", content_type)
    request:set_body(body)
  elseif options.body then
    request:set_body(options.body)
  end
  request.headers:delete("expect")
  for name, value in pairs(options.headers or {}) do
    request.headers:upsert(name:lower(), value)
  end
  local headers, stream = request:go(TIMEOUT_S)
  if not headers then
    error(("%s %s: no answer: %s"):format(method, path, tostring(stream)), 2)
  end
  local body = stream:get_body_as_string(TIMEOUT_S)
  stream:shutdown()
  return {
    status = tonumber(headers:get(":status")),
    headers = collect_headers(headers),
    body = body,
    json = body and body ~= "" and cjson.decode(body) or nil,
  }
end

for _, method in ipairs({ "get", "post", "put", "delete", "head", "options" }) do
  Client[method] = function(self, path, options)
    return self:request(method:upper(), path, options)
  end
end

--- Signs a demo account in.
-- @return {token=, refreshToken=, user=}
function Client:login(email, options)
  local answer = self:post("/auth/login", {
    json = { email = email, password = options and options.password or PASSWORD },
    tenant = options and options.tenant,
  })
  if answer.status ~= 200 then
    error("login of " .. email .. ": " .. answer.status .. " " .. tostring(answer.body), 2)
  end
  local data = answer.json.data
  return { token = data.accessToken, refreshToken = data.refreshToken, user = data.user }
end

local Socket = {}
Socket.__index = Socket

--- Opens /ws. @param query e.g. "token=..." or nil
function Client:socket(query)
  local ws = http_websocket.new_from_uri(
    self.base:gsub("^http", "ws") .. "/ws" .. (query and "?" .. query or ""))
  ws.request.ctx = self.tls
  assert(ws:connect(TIMEOUT_S))
  return setmetatable({ ws = ws, seen = {} }, Socket)
end

function Socket:send(message)
  assert(self.ws:send(type(message) == "string" and message or cjson.encode(message), "text", TIMEOUT_S))
end

--- The next frame as a table, or nil after `timeout_s`, or nil and the close code.
function Socket:receive(timeout_s)
  local text = self.ws:receive(timeout_s or PATIENCE_S)
  if not text then
    return nil, self.ws.got_close_code
  end
  local message = assert(cjson.decode(text))
  self.seen[#self.seen + 1] = message
  return message
end

--- Reads until a frame satisfies `wanted` (a type, or a function); others are dropped.
function Socket:expect(wanted, timeout_s)
  local deadline = os.time() + (timeout_s or PATIENCE_S)
  repeat
    local message, code = self:receive(math.max(deadline - os.time(), 0.1))
    if message and (type(wanted) == "function" and wanted(message) or message.type == wanted) then
      return message
    end
    if not message and code then
      return nil, code
    end
  until os.time() > deadline
  return nil
end

function Socket:expect_event(name, timeout_s)
  return self:expect(function(message)
    return message.type == "event" and message.event == name
  end, timeout_s)
end

-- The library gives up on a frame of which only a part is there, and on who is gone.
function Socket:close()
  pcall(self.ws.close, self.ws, 1000, "", 2)
end

return M
