-- What curl can do, against a server on TCP with TLS and on a Unix socket: each row is a command
-- and what must be written by `-w`, and perhaps what must stand in the answer.
local servers = require("tests.support.server")

local FILE = "/dashboard/detail.js"
local JSON = "-H 'Content-Type: application/json'"
local TENANT = "-H 'X-Tenant: riverton'"
local REPORT = [['{"title":"Broken lamp","category":"street_light","location":{"latitude":51.4,"longitude":-2.5}}']]

describe("curl", function()
  local folder, server, proxied, whole

  setup(function()
    folder = os.tmpname()
    servers.shell("rm -f " .. folder .. "; mkdir " .. folder)
    local code, text = servers.shell(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
      .. "-nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout %s/key.pem "
      .. "-out %s/chain.pem"):format(folder, folder))
    assert.equal(0, code, text)
    server = servers.start({ env = {
      FIXXIT_HTTP_TLS_CERTIFICATE = folder .. "/chain.pem", FIXXIT_HTTP_TLS_KEY = folder .. "/key.pem",
      FIXXIT_HTTP_UNIX_SOCKET = folder .. "/socket",
    } })
    proxied = servers.start({ env = { FIXXIT_HTTP_UNIX_SOCKET = folder .. "/proxied",
      FIXXIT_HTTP_PROXY_PROTOCOL = "unix", FIXXIT_HTTP_TRUSTED_PROXIES = "unix" } })
    servers.shell("printf %s " .. REPORT .. " >" .. folder .. "/report.json")
    whole = servers.read_file("plugins" .. FILE:gsub("dashboard/", "dashboard/public/"))
  end)

  teardown(function()
    server:stop()
    proxied:stop()
    servers.shell("rm -rf " .. folder)
  end)

  -- FOLDER, TLS, PROXIED and UNIX in a command stand for what they are here.
  local function run(words)
    local command = "cd FOLDER && curl -sS --max-time 30 " .. words
    local places = { FOLDER = folder, TLS = "https://127.0.0.1:" .. server.port,
      PROXIED = "--unix-socket " .. folder .. "/proxied http://localhost",
      UNIX = "--unix-socket " .. folder .. "/socket http://localhost" }
    local code, text = servers.shell((command:gsub("%u%u%u+", places)))
    return code, text
  end

  -- { what, command, pattern of the output }; each must end with 0.
  local CASES = {
    { "gets", "-w '%{http_code} %{http_version}' UNIX/health", '"status":"ok".*200 1.1$' },
    { "asks for the head alone", "-I UNIX" .. FILE, "^HTTP/1.1 200 OK.*Content%-Length: " },
    { "asks what is allowed", "-X OPTIONS -i UNIX/api/v1/reports", "204 No Content.*Allow: GET, HEAD, OPTIONS, POST" },
    { "asks what the server can do", "-X OPTIONS --request-target '*' -i UNIX", "204 No Content.*Allow: .*PATCH" },
    { "posts", TENANT .. " " .. JSON .. " -w '%{http_code}' -d " .. REPORT .. " UNIX/api/v1/reports", "201$" },
    { "puts what is not there", "-X PUT " .. JSON .. " -d '{}' -w '%{http_code}' -o body UNIX/api/v1/users/profile", "^401$" },
    { "deletes what cannot be", "-X DELETE -i UNIX/health", "405 Method Not Allowed.*Allow: GET, HEAD, OPTIONS" },
    { "patches what cannot be", "-X PATCH " .. JSON .. " -d '{}' -i UNIX/api/v1/reports", "405 .*Allow: GET" },
    { "invents methods", "-X BREW -w '%{http_code}' -o body UNIX/health", "^400$" },
    { "traces", "-X TRACE -w '%{http_code}' -o body UNIX/health", "^501$" },
    { "gets a part", "-r 0-9 -w '%{http_code} %{size_download}' -o body UNIX" .. FILE, "^206 10$" },
    { "gets the end", "-r -7 -w '%{http_code} %{size_download}' -o body UNIX" .. FILE, "^206 7$" },
    { "asks for a part that is not there", "-r 9999999- -w '%{http_code}' -o body UNIX" .. FILE, "^416$" },
    { "takes what is compressed", "--compressed -w '%{http_code}' -o body UNIX" .. FILE .. " && wc -c <body", "^200%d+" },
    { "keeps a tag and compares it", "--etag-save tag -o body UNIX" .. FILE .. " && curl -sS --etag-compare tag "
      .. "-w '%{http_code} %{size_download}' -o body UNIX" .. FILE, "^304 0$" },
    { "keeps the time and compares it", "-R -o timed UNIX" .. FILE .. " && curl -sS -z timed -w '%{http_code}' -o body UNIX" .. FILE,
      "^304$" },
    { "waits for 100", "-i " .. TENANT .. " " .. JSON .. " -H 'Expect: 100-continue' --expect100-timeout 20 -d " .. REPORT
      .. " UNIX/api/v1/reports", "100 Continue.*201 Created" },
    { "uploads in chunks", TENANT .. " " .. JSON .. " -H 'Transfer-Encoding: chunked' -w '%{http_code}' -o body -d "
      .. REPORT .. " UNIX/api/v1/reports", "^201$" },
    { "uploads in chunks what it reads", "-w '%{http_code}' -o body " .. TENANT .. " " .. JSON
      .. " -X POST -T - UNIX/api/v1/reports <report.json", "^201$" },
    { "fills a form in", TENANT .. " -w '%{http_code}' -o body -F 'data=" .. REPORT:sub(2, -2)
      .. ";type=application/json' UNIX/api/v1/reports", "^201$" },
    { "fills a form in that is urlencoded", TENANT .. " -d title=x -w '%{http_code}' -o body UNIX/api/v1/reports", "^415$" },
    { "speaks HTTP/1.0", "-0 -w '%{http_code} %{http_version}' -o body UNIX/health", "^200 1.1$" },
    { "speaks HTTP/1.0 and keeps alive", "-0 -H 'Connection: keep-alive' -i UNIX/health", "Connection: keep%-alive" },
    { "asks for HTTP/2 in clear text and goes on", "--http2 -w '%{http_code} %{http_version}' -o body UNIX/health", "^200 1.1$" },
    { "keeps a connection", "-w '%{num_connects}\\n' -o body UNIX/health --next -sS -w '%{num_connects}\\n' -o body UNIX/health",
      "^1\n0\n$" },
    { "asks in parallel", "-Z --parallel-max 20 -w '%{http_code}\\n' -o body UNIX'/health?[1-60]' 2>/dev/null"
      .. " | sort | uniq -c", "^%s*60 200\n$" },
    { "sends a cookie", "-b a=b -w '%{http_code}' -o body UNIX/health", "^200$" },
    { "keeps to what is allowed to be asked from elsewhere", "-H 'Origin: https://evil.example' -i UNIX/health", "200 OK" },
    { "has TLS 1.2", "-k --tlsv1.2 --tls-max 1.2 -w '%{http_code}' -o body TLS/health", "^200$" },
    { "has TLS 1.3", "-k --tlsv1.3 -w '%{http_code}' -o body TLS/health", "^200$" },
    { "checks the certificate", "--cacert chain.pem -w '%{ssl_verify_result}' -o body TLS/health", "^0$" },
    { "sends a PROXY header", "--haproxy-protocol -w '%{http_code}' -o body PROXIED/health", "^200$" },
    { "is refused without a PROXY header", "-o body PROXIED/health || echo refused", "refused\n$" },
    { "gets a part by TLS", "-k -r 5-14 -w '%{http_code} %{size_download}' -o body TLS" .. FILE, "^206 10$" },
    { "puts a path together as it is", "--path-as-is -w '%{http_code}' -o body UNIX/dashboard/../../etc/passwd", "^404$" },
    { "is slow", "--limit-rate 4k -w '%{http_code}' -o body UNIX" .. FILE, "^200$" },
  }
  for _, case in ipairs(CASES) do
    it(case[1], function()
      local code, text = run(case[2])
      assert.equal(0, code, text)
      assert.matches(case[3], text)
    end)
  end

  it("goes on where it was cut off", function()
    local file = assert(io.open(folder .. "/part", "w"))
    file:write(whole:sub(1, 1000))
    file:close()
    assert.equal(0, (run("-C - -o part UNIX" .. FILE)))
    assert.equal(whole, servers.read_file(folder .. "/part"))
  end)

  it("unpacks what was packed", function()
    for _, size in ipairs({ "--compressed", "" }) do
      assert.equal(0, (run(size .. " -o body UNIX" .. FILE)))
      assert.equal(whole, servers.read_file(folder .. "/body"))
    end
  end)
end)
