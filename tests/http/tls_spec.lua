-- TLS on the TCP listener: HTTP and WebSockets behind it, old protocols refused, broken
-- clients survived, certificates replaced without a restart.
local cqueues = require("cqueues")
local socket = require("cqueues.socket")
local servers = require("tests.support.server")

describe("TLS", function()
  local folder, server

  local function make_certificate(name)
    local code, text = servers.shell(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
      .. "-subj /CN=%s -addext subjectAltName=IP:127.0.0.1 -keyout %s/new.key -out %s/new.pem "
      .. "&& mv %s/new.key %s/key.pem && mv %s/new.pem %s/chain.pem"):format(
      name, folder, folder, folder, folder, folder, folder))
    assert.equal(0, code, text)
  end

  setup(function()
    folder = os.tmpname()
    servers.shell("rm -f " .. folder .. "; mkdir " .. folder)
    make_certificate("first.example")
    server = servers.start({ env = {
      FIXXIT_HTTP_TLS_CERTIFICATE = folder .. "/chain.pem", FIXXIT_HTTP_TLS_KEY = folder .. "/key.pem",
      FIXXIT_HTTP_UNIX_SOCKET = folder .. "/plain.sock", FIXXIT_HTTP_HEADER_TIMEOUT_MS = 1000,
    } })
  end)

  teardown(function()
    server:stop()
    servers.shell("rm -rf " .. folder)
  end)

  local function curl(options, path)
    return servers.shell(("curl -sS --max-time 20 %s https://127.0.0.1:%d%s"):format(options, server.port, path))
  end

  local function openssl(options, input)
    local _, text = servers.shell(("(printf '%s'; sleep 0.3) | timeout 10 openssl s_client -connect 127.0.0.1:%d %s"):format(
      input or "", server.port, options))
    return text
  end

  local function raw()
    local peer = socket.connect("127.0.0.1", server.port)
    peer:setmode("bn", "bn")
    peer:onerror(function(_, _, code)
      return code
    end)
    return peer
  end

  it("carries requests whose certificate a client can check", function()
    local code, text = curl("--cacert " .. folder .. "/chain.pem -w ' %{http_version} %{ssl_verify_result}'", "/health")
    assert.equal(0, code, text)
    assert.matches('"ok".* 1.1 0$', text)
    assert.equal(200, server.api:get("/health", { root = true }).status)
    assert.matches("ALPN protocol: http/1.1", openssl("-alpn h2,http/1.1"))
    assert.equal(0, (servers.shell("curl -sf --unix-socket " .. folder .. "/plain.sock http://x/health")))
  end)

  it("brings large bodies through, both ways", function()
    local token = server.api:login("dispatcher@riverton.example").token
    local answer = server.api:get("/openapi.json")
    assert.truthy(#answer.body > 20000)
    assert.equal(200, answer.status)
    local large = server.api:post("/reports", { tenant = "riverton", token = token,
      json = { title = ("x"):rep(900000) } })
    assert.equal(400, large.status)
    assert.equal("VALIDATION_ERROR", large.json.error.code)
    local file = folder .. "/large"
    servers.shell("head -c 3000000 /dev/urandom >" .. file)
    local code, status = curl("-k -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' --data-binary @" .. file,
      "/api/v1/auth/login")
    assert.equal(0, code, status)
    assert.equal("413", status)
  end)

  it("carries WebSockets", function()
    local token = server.api:login("dispatcher@riverton.example").token
    local ws = server.api:socket("token=" .. token)
    assert.truthy(ws:receive(5))
    ws:close()
  end)

  it("knows the client's address", function()
    server:sql("DELETE FROM sessions")
    server.api:login("viewer@riverton.example")
    assert.equal("127.0.0.1\n", server:sql("SELECT ip_address FROM sessions"))
  end)

  it("speaks TLS 1.2 and 1.3 with forward secrecy, nothing older", function()
    assert.matches("Cipher is ECDHE", openssl("-tls1_2"))
    assert.matches("Cipher is TLS_", openssl("-tls1_3"))
    assert.matches("Cipher is %(NONE%)", openssl("-tls1_1 -cipher ALL@SECLEVEL=0"))
    assert.matches("Cipher is %(NONE%)", openssl("-tls1_2 -cipher AES128-SHA"))
  end)

  it("ends what does not finish a handshake, and answers no plain HTTP", function()
    local peer = raw()
    local started = cqueues.monotime()
    assert.is_nil((peer:xread(1, "bn", 5)))
    assert.truthy(cqueues.monotime() - started < 3)
    peer:close()
    peer = raw()
    peer:xwrite("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "bn", 1)
    local answer = peer:xread("*a", "b", 5) or ""
    assert.is_nil(answer:find("HTTP/1.1 200", 1, true))
    peer:close()
    for _ = 1, 50 do
      raw():close()
    end
    assert.equal(0, (curl("-kf -o /dev/null", "/health")))
  end)

  it("answers a client that closed its side, and says when it closes", function()
    local text = openssl("-quiet -ign_eof", "GET /health HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    assert.matches('HTTP/1.1 200 OK.*"status":"ok"', text)
  end)

  it("serves many at once", function()
    local code, text = servers.shell(("seq 40 | xargs -P 20 -I @ curl -skf --max-time 20 -o /dev/null -w '%%{http_code}\\n' "
      .. "https://127.0.0.1:%d/dashboard/app.js | sort | uniq -c"):format(server.port))
    assert.equal(0, code, text)
    assert.matches("^%s*40 200\n$", text)
  end)

  local function subject()
    return openssl(""):match("subject=CN = ([%w.]+)")
  end

  it("takes a new certificate with a reload, and keeps the old one when that is broken", function()
    assert.equal("first.example", subject())
    make_certificate("second.example")
    assert.equal(0, (server:command("reload")))
    assert.equal("second.example", subject())
    servers.shell("echo rubbish >" .. folder .. "/chain.pem")
    local code, output = server:command("reload")
    assert.equal(1, code)
    assert.matches("chain.pem", output)
    assert.equal("second.example", subject())
  end)
end)
