-- The Unix socket beside the TCP one, and whose address a request is told to have.
local socket = require("cqueues.socket")
local servers = require("tests.support.server")

local LOGIN = '{"email":"viewer@riverton.example","password":"Fixxit-demo-2026"}'
local V1 = "PROXY TCP4 203.0.113.77 192.0.2.1 56324 443\r\n"

describe("listeners", function()
  local path, server

  local function start(env)
    path = os.tmpname()
    os.remove(path)
    env.FIXXIT_HTTP_UNIX_SOCKET = path
    server = servers.start({ env = env })
  end

  after_each(function()
    server:stop()
    os.remove(path)
  end)

  --- Signs in and returns the status and the address that the session was written with.
  local function login(options)
    server:sql("DELETE FROM sessions")
    local code, status = servers.shell(("curl -sS -o /dev/null -w '%%{http_code}' %s -H 'Content-Type: application/json' "
      .. "-d '%s' http://127.0.0.1:%d/api/v1/auth/login"):format(options, LOGIN, server.port))
    assert.equal(0, code, status)
    local address = server:sql("SELECT COALESCE(ip_address, 'NULL') FROM sessions")
    return tonumber(status), (address:gsub("%s+$", ""))
  end

  local function over_unix(options)
    return login("--unix-socket " .. path .. " " .. (options or ""))
  end

  it("serve on a Unix socket of ours alone, where nobody has an address", function()
    start({})
    local _, mode = servers.shell("stat -c %a " .. path)
    assert.equal("600\n", mode)
    assert.same({ 200, "" }, { over_unix("-H 'X-Forwarded-For: 203.0.113.9'") })
    assert.same({ 200, "127.0.0.1" }, { login("-H 'X-Forwarded-For: 203.0.113.9' -H 'Forwarded: for=203.0.113.9'") })
  end)

  it("take a trusted proxy's word for the address of its client", function()
    start({ FIXXIT_HTTP_TRUSTED_PROXIES = "unix,127.0.0.0/8,10.0.0.0/8" })
    assert.same({ 200, "203.0.113.9" }, { over_unix("-H 'X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.3'") })
    assert.same({ 200, "2001:db8::9" }, { login("-H 'X-Forwarded-For: 2001:db8::9'") })
    assert.same({ 200, "127.0.0.1" }, { login("-H 'Forwarded: for=203.0.113.9'") })
  end)

  it("want a PROXY header where they are told to", function()
    start({ FIXXIT_HTTP_TRUSTED_PROXIES = "unix", FIXXIT_HTTP_PROXY_PROTOCOL = "unix" })
    local function ask(text)
      local peer = socket.connect({ path = path })
      peer:setmode("bn", "bn")
      peer:onerror(function(_, _, code)
        return code
      end)
      peer:xwrite(text .. "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        .. "Content-Type: application/json\r\nContent-Length: " .. #LOGIN .. "\r\n\r\n" .. LOGIN, "bn", 5)
      local answer = peer:xread("*a", "b", 5)
      peer:close()
      return answer or ""
    end
    server:sql("DELETE FROM sessions")
    assert.equal("", ask(""))
    assert.matches("^HTTP/1.1 200 ", ask(V1))
    assert.equal("203.0.113.77\n", server:sql("SELECT ip_address FROM sessions"))
    assert.same({ 200, "127.0.0.1" }, { login("") }) -- the other listener wants none
  end)
end)
