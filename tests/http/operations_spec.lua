-- What an operator sees: metrics, health, the log.
local cjson = require("cjson.safe")
local exposition = require("tests.support.exposition")
local servers = require("tests.support.server")

local function until_true(check, seconds)
  for _ = 1, (seconds or 5) * 20 do
    local value = check()
    if value then
      return value
    end
    servers.sleep(0.05)
  end
  return check()
end

describe("an operator", function()
  local server, api

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 2 } })
    api = server.api
  end)

  teardown(function()
    server:stop()
  end)

  local function scrape(options)
    local answer = api:get("/metrics", { root = true, headers = options })
    return answer, answer.status == 200 and exposition.parse(answer.body)
  end

  local function value(name, labels)
    local _, samples = scrape()
    return exposition.value(samples, name, labels)
  end

  describe("reading /metrics", function()
    it("gets text that a scraper can read", function()
      local answer = scrape()
      assert.equal("text/plain; version=0.0.4; charset=utf-8", answer.headers["content-type"])
      for _, name in ipairs({
        "fixxit_http_requests_total", "fixxit_http_request_seconds_count", "fixxit_db_pool_open",
        "fixxit_db_pool_waiting", "fixxit_db_pool_wait_seconds_total", "fixxit_jobs",
        "fixxit_jobs_oldest_seconds", "fixxit_clocks_oldest_seconds", "fixxit_outbox_rows",
        "fixxit_outbox_oldest_seconds",
        "fixxit_ws_connections", "fixxit_ws_dropped_total", "fixxit_reloads_total",
        "fixxit_lua_generations", "fixxit_lua_bytes", "fixxit_loop_turn_seconds_count",
        "fixxit_loop_turn_max_seconds", "fixxit_loop_turn_cpu_seconds_count",
        "fixxit_loop_turn_cpu_max_seconds", "fixxit_process_restarts_total",
        "fixxit_log_dropped_total", "fixxit_image_jobs_total", "fixxit_sandbox_processes",
        "fixxit_sandbox_runs_total", "fixxit_sandbox_kills_total", "fixxit_database_up",
      }) do
        assert.truthy(value(name), name)
      end
      assert.equal(0, value("fixxit_metrics_refused_total"))
      assert.equal(1, value("fixxit_database_up"))
    end)

    it("finds every request counted once, whichever worker answered it", function()
      local labels = { route = "/api/v1/reports/:id", method = "GET", status = "4xx" }
      local before = value("fixxit_http_requests_total", labels) or 0
      for _ = 1, 40 do
        api:get("/reports/no-uuid", { tenant = "riverton" })
      end
      assert.equal(before + 40, value("fixxit_http_requests_total", labels))
      local time = { route = "/api/v1/reports/:id", method = "GET" }
      assert.equal(before + 40, value("fixxit_http_request_seconds_count", time))
      time.le = "+Inf"
      assert.equal(before + 40, value("fixxit_http_request_seconds_bucket", time))
    end)

    it("never finds a path that a client chose as a label", function()
      api:get("/no/such/place-xyzzy")
      api:get("/xyzzy", { root = true })
      local answer = scrape()
      assert.is_nil(answer.body:find("xyzzy", 1, true))
    end)

    it("finds the counts of a worker that was killed, and the restart", function()
      local labels = { route = "/health", status = "2xx" }
      for _ = 1, 10 do
        api:get("/health", { root = true })
      end
      local before = value("fixxit_http_requests_total", labels)
      local restarts = value("fixxit_process_restarts_total", { kind = "http" })
      for _, pid in ipairs(server:pids("http")) do
        servers.shell("kill -KILL " .. pid)
      end
      assert.is_true(until_true(function()
        return value("fixxit_process_restarts_total", { kind = "http" }) == restarts + 2
      end, 10))
      assert.equal(before, value("fixxit_http_requests_total", labels))
    end)

    it("is refused through a proxy, which may pass on anybody", function()
      assert.equal(403, scrape({ ["X-Forwarded-For"] = "203.0.113.9" }).status)
      assert.equal(403, scrape({ ["Forwarded"] = "for=203.0.113.9" }).status)
    end)
  end)

  describe("asking for the health", function()
    local function health(token)
      local answer = api:get("/system/health", { token = token })
      return answer.json.data, answer
    end

    it("gets the state of each service and of the process", function()
      local data, answer = health()
      assert.equal(200, answer.status)
      assert.equal("no-store", answer.headers["cache-control"])
      assert.equal("ok", data.status)
      assert.matches("^%d+%-%d+%-%d+T[%d:.]+Z$", data.timestamp)
      assert.equal("number", type(data.uptime))
      for _, name in ipairs({ "database", "redis", "storage", "queue" }) do
        assert.equal("up", data.services[name].status, name)
        assert.equal("number", type(data.services[name].responseTime), name)
      end
      assert.truthy(data.metrics.memoryUsage > 1e6)
      assert.equal("number", type(data.metrics.cpuUsage))
      assert.equal("number", type(data.metrics.activeConnections))
    end)

    it("sees what stands behind it only with the permission", function()
      local owner = api:login("owner@riverton.example").token
      local platform = api:login("platform@fixxit.example").token
      assert.is_nil(health().services.storage.freeBytes)
      assert.is_nil(health(owner).services.storage.freeBytes)
      local data = health(platform)
      assert.truthy(data.services.storage.freeBytes > 0)
      assert.equal(0, data.services.queue.dead)
    end)

    it("hears that it is degraded, not down, when Redis is gone", function()
      local _, pid = servers.shell("pgrep -f -- '" .. server.data .. "/[r]un/redis.sock'") -- not this shell
      pid = pid:match("%d+")
      servers.shell("kill -STOP " .. pid)
      local data, answer = health()
      servers.shell("kill -CONT " .. pid)
      assert.equal(200, answer.status)
      assert.equal("degraded", data.status)
      assert.equal("down", data.services.redis.status)
      assert.equal("up", data.services.database.status)
      assert.is_true(until_true(function()
        return health().status == "ok"
      end, 10))
    end)

    it("gets /health and /api/v1/health without an envelope", function()
      for _, answer in ipairs({ api:get("/health", { root = true }), api:get("/health") }) do
        assert.equal(200, answer.status)
        assert.equal("ok", answer.json.status)
        assert.is_nil(answer.json.success)
      end
    end)
  end)
end)

describe("fixxit shell", function()
  local server

  setup(function()
    server = servers.start()
  end)

  teardown(function()
    server:stop()
  end)

  -- What it prints of these lines, and its exit code.
  local function told(lines, options)
    local path = server.data .. "/shell.lua"
    local file = assert(io.open(path, "w"))
    file:write(lines)
    file:close()
    local code, text = server:command(("shell %s < %s 2>&1"):format(options or "", path))
    return text:gsub("%s+$", ""), code
  end

  it("shows what expressions are, and keeps what statements set", function()
    local text, code = told('x = 20\nx + 22, nil\n{ b = { 1 }, a = "ü" }\n\nfunction twice(n)\n'
      .. '  return 2 * n\nend\ntwice(x)')
    assert.equal('42\nnil\n{"a":"ü","b":[1]}\n40', text)
    assert.equal(0, code)
  end)

  it("has the database, and what the services can do", function()
    local text = told('id = require("services.identity").find_tenant_by_slug(ctx, "riverton").id\n'
      .. 'query("SELECT slug FROM tenants WHERE id = ?", id)[1].slug')
    assert.equal("riverton", text)
    local tenant = server:sql("SELECT id FROM tenants WHERE slug = 'riverton'"):gsub("%s+", "")
    local own = told('query("SELECT COUNT(*) AS n FROM reports WHERE tenant_id = :tenant")[1].n',
      "--tenant " .. tenant)
    assert.equal(server:sql(("SELECT COUNT(*) FROM reports WHERE tenant_id = '%s'"):format(tenant))
      :gsub("%s+", ""), own)
  end)

  it("shows rows as a list, what a change did, and what is printed in its place", function()
    local text = told('query("SELECT 1 AS a UNION SELECT 2")\nprint("then", nil)\n'
      .. "query(\"UPDATE tenants SET settings = settings WHERE slug = 'nobody'\")")
    assert.equal('[{"a":1},{"a":2}]\nthen\tnil\n{"affected":0,"insert_id":0}', text)
  end)

  it("ends at the first mistake of a file, and tells it", function()
    local text, code = told('1\nquery("SELECT nothing")\n2')
    assert.truthy(text:find("^1\n%u+: .*nothing"), text)
    assert.equal(1, code)
    text, code = told("error('boom', 0)\n2")
    assert.same({ "boom", 1 }, { text, code })
    text, code = told("x = = 1\n2")
    assert.truthy(text:find("shell:1: .*near '='"), text)
    assert.equal(1, code)
    text, code = told("do\n1")
    assert.truthy(text:find("shell:"), text)
    assert.equal(1, code)
  end)
end)

describe("fixxit doctor", function()
  local function examine(command)
    local code, output = command("doctor --json")
    local found = {}
    for _, result in ipairs(assert(cjson.decode(output:match("%b[]")))) do
      found[result.check] = result
    end
    return found, code, output
  end

  it("finds a running server whole: database, Redis, disk, port, image process, scripts", function()
    local server = servers.start()
    server:master()
    local found, code, output = examine(function(words)
      return server:command(words)
    end)
    server:stop()
    assert.equal(0, code, output)
    assert.equal("answers", found["image process"].detail)
    assert.equal("answers", found.scripts.detail)
    assert.equal("all there", found.tools.detail)
    assert.matches("runs$", found.port.detail)
    assert.matches("MB free", found["disk space"].detail)
  end)

  it("tells what is missing, and who has the port", function()
    local server = servers.start()
    server:master()
    local empty = os.tmpname()
    servers.shell("rm -f " .. empty .. "; mkdir -p " .. empty .. "/run")
    local found, code = examine(function(words)
      return servers.shell(("FIXXIT_ENV=test FIXXIT_DATA=%s PORT=%d %s %s 2>/dev/null"):format(
        empty, server.port, servers.BIN, words))
    end)
    server:stop()
    servers.shell("rm -rf " .. empty)
    assert.equal(1, code)
    assert.is_false(found.database.ok)
    assert.is_false(found.redis.ok)
    assert.is_false(found.port.ok)
    assert.matches("taken by another program", found.port.detail)
    assert.is_true(found["data folder"].ok)
  end)
end)

describe("a token for metrics", function()
  local server

  setup(function()
    server = servers.start({ env = { FIXXIT_METRICS_TOKEN = "scrape-me", FIXXIT_SERVER_WORKERS = 1 } })
  end)

  teardown(function()
    server:stop()
  end)

  local function ask(headers)
    return server.api:get("/metrics", { root = true, headers = headers }).status
  end

  it("lets in who has it, from anywhere, and nobody else", function()
    assert.equal(401, ask())
    assert.equal(401, ask({ Authorization = "Bearer scrape" }))
    assert.equal(200, ask({ Authorization = "Bearer scrape-me" }))
    assert.equal(200, ask({ Authorization = "Bearer scrape-me", ["X-Forwarded-For"] = "203.0.113.9" }))
  end)
end)

describe("the access log", function()
  local server, path

  setup(function()
    path = os.tmpname()
    server = servers.start({ env = {
      FIXXIT_LOG_ACCESS = path, FIXXIT_LOG_FORMAT = "json", FIXXIT_SERVER_WORKERS = 2,
    } })
  end)

  teardown(function()
    server:stop()
    os.remove(path)
  end)

  -- The line about a request, once it is there.
  local function line_of(request_id, file)
    return until_true(function()
      for line in (servers.read_file(file or path) or ""):gmatch("[^\n]+") do
        local entry = assert(cjson.decode(line))
        if entry.requestId == request_id then
          return entry
        end
      end
    end)
  end

  it("has a line of its own for each request, and the log has none", function()
    local signed_in = server.api:login("dispatcher@riverton.example")
    server.api:get("/reports?limit=1", { token = signed_in.token, headers = {
      ["X-Request-Id"] = "op-1", traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    } })
    local entry = line_of("op-1")
    assert.equal("request", entry.message)
    assert.equal("info", entry.level)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z$", entry.timestamp)
    assert.same({ "GET", "/api/v1/reports", 200 }, { entry.method, entry.path, entry.status })
    assert.equal(signed_in.user.id, entry.userId)
    assert.equal(36, #entry.tenantId)
    assert.equal("number", type(entry.ms))
    assert.equal("0af7651916cd43dd8448eb211c80319c", entry.traceId)
    assert.is_nil(server:log_text():find("op-1", 1, true))
  end)

  it("gives a request without a trace one of its own", function()
    server.api:get("/health", { headers = { ["X-Request-Id"] = "op-2" } })
    assert.equal(32, #line_of("op-2").traceId)
  end)

  it("names the same trace as the event that the request caused", function()
    local trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    local function made(id, header)
      assert.equal(201, server.api:post("/reports", { tenant = "riverton", json = {
        title = "Traced", category = "other", location = { description = "here" } },
        headers = { ["X-Request-Id"] = id, traceparent = header } }).status)
      return until_true(function()
        return server:sql("SELECT traceparent FROM event_log WHERE request_id = '" .. id .. "'")
          :match("%S+")
      end)
    end
    local carried = made("op-3", "00-" .. trace .. "-00f067aa0ba902b7-00")
    local span = carried:match("^00%-" .. trace .. "%-(%x+)%-00$")
    assert.equal(16, #assert(span, carried))
    assert.not_equal("00f067aa0ba902b7", span) -- the request's own, below the caller's
    local begun = made("op-4", "00-" .. trace:upper() .. "-00f067aa0ba902b7-01") -- malformed
    assert.equal(line_of("op-4").traceId, begun:match("^00%-(%x+)%-%x+%-01$"))
    assert.is_nil(begun:lower():find(trace, 1, true))
  end)

  it("goes on in a new file after SIGUSR1 when the old one was moved away", function()
    os.rename(path, path .. ".1")
    servers.shell("kill -USR1 " .. server:master())
    assert.is_true(until_true(function()
      return servers.read_file(path) ~= nil
    end))
    -- each worker opens it again by itself: the first request after that is in the new file
    local n = 0
    assert.is_true(until_true(function()
      n = n + 1
      server.api:get("/health", { headers = { ["X-Request-Id"] = "op-new-" .. n } })
      servers.sleep(0.05)
      return (servers.read_file(path) or ""):find("op-new-" .. n, 1, true) ~= nil
    end))
    os.remove(path .. ".1")
  end)
end)
