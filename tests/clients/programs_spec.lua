-- Public programs against the server: the load generators of Debian, the slow attacks of
-- slowhttptest, clients of npm, a browser. What each must say of us stands in its row.
local servers = require("tests.support.server")

describe("the program", function()
  local server, token

  setup(function()
    server = servers.start({ env = { FIXXIT_HTTP_HEADER_TIMEOUT_MS = 4000,
      FIXXIT_HTTP_BODY_IDLE_MS = 4000, FIXXIT_HTTP_REQUEST_TIMEOUT_MS = 6000 } })
    token = server.api:login("dispatcher@riverton.example").token
  end)

  teardown(function()
    server:stop()
  end)

  -- URL, PORT and TOKEN stand for what they are here.
  local function run(command)
    local places = { URL = "http://127.0.0.1:" .. server.port, PORT = server.port, TOKEN = token }
    local code, text = servers.shell((command:gsub("%u%u%u+", places)))
    return code, (text:gsub("\27%[[%d;]*m", "")) -- without its colours
  end

  local ALL_PASSED = { "%d+ passed, 0 failed\n$" }
  local SLOW = " -c 200 -r 100 -i 1 -l 15 -p 3 "

  -- { what, command, patterns of the output, patterns that it must not have }
  local PROGRAMS = {
    { "wrk, keep-alive", "wrk -t 1 -c 50 -d 5s URL/health", { "requests in" }, { "Non%-2xx", "Socket errors" } },
    { "wrk, a file", "wrk -t 1 -c 20 -d 3s -H 'Accept-Encoding: gzip' URL/dashboard/detail.js", { "requests in" },
      { "Non%-2xx", "Socket errors" } },
    { "h2load, HTTP/1.1", "h2load --h1 -n 5000 -c 20 URL/health",
      { "5000 total, 5000 started, 5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout" }, {} },
    { "ab, keep-alive", "ab -q -k -n 5000 -c 50 URL/health", { "Complete requests: +5000", "Failed requests: +0",
      "Keep%-Alive requests: +5000" }, { "Non%-2xx" } },
    { "ab, a connection each, HTTP/1.0", "ab -q -n 2000 -c 20 URL/health",
      { "Complete requests: +2000", "Failed requests: +0" }, { "Non%-2xx" } },
    { "siege", "siege -q -j -b -c 20 -r 50 URL/health URL/dashboard", { '"failed_transactions":%s+0', '"availability":%s+100' }, {} },
    { "httperf, bursts in a pipeline", "httperf --server 127.0.0.1 --port PORT --uri /health --wsess 20,50,0 --burst-length 10 --rate 10",
      { "1xx=0 2xx=1000 3xx=0 4xx=0 5xx=0", "Errors: total 0 " }, {} },
    { "slowhttptest: heads that do not end", "slowhttptest -H" .. SLOW .. "-x 24 -u URL/health", { "Exit status" },
      { "service available:%s+NO" } },
    { "slowhttptest: bodies that do not end", "slowhttptest -B" .. SLOW .. "-s 8192 -t POST -x 10 -u URL/api/v1/auth/login"
      .. " -f application/json", { "Exit status" }, { "service available:%s+NO" } },
    { "slowhttptest: many ranges", "slowhttptest -R -c 200 -r 100 -l 10 -p 3 -a 1 -b 3000 -t HEAD -u URL/dashboard/detail.js",
      { "Exit status" }, { "service available:%s+NO" } },
    { "slowhttptest: answers that are not read", "slowhttptest -X -c 200 -r 100 -l 15 -p 3 -w 1 -y 2 -n 5 -z 32 -k 3"
      .. " -u URL/api/v1/openapi.json", { "Exit status" }, { "service available:%s+NO" } },
    { "ws of npm", "node tests/clients/ws.js PORT TOKEN", ALL_PASSED, {} },
    { "undici of npm", "node tests/clients/undici.js PORT", ALL_PASSED, {} },
    { "websockets of Python", "/usr/bin/python3 tests/clients/python_websockets.py PORT", ALL_PASSED, {} },
    { "h11 of Python, a strict reader", "/usr/bin/python3 tests/clients/python_h11.py PORT", ALL_PASSED, {} },
    { "chromium", "node tests/clients/browser.js PORT", ALL_PASSED, {} },
  }
  for _, program in ipairs(PROGRAMS) do
    local what, command, wanted, unwanted = unpack(program)
    it(what, function()
      local code, text = run(command)
      for _, pattern in ipairs(wanted) do
        assert.matches(pattern, text)
      end
      for _, pattern in ipairs(unwanted) do
        assert.not_matches(pattern, text)
      end
      assert.equal(0, code, text)
      assert.equal(200, server.api:get("/health").status)
    end)
  end
end)
