-- What a tenant's scripts add to the product: routes, schedules, their own wording of messages, and
-- what they do by their capabilities; all in the processes that really run them.
local cjson = require("cjson.safe")
local cqueues = require("cqueues")
local socket = require("cqueues.socket")
local expect = require("tests.support.expect")
local mailbox = require("tests.support.mailbox")
local servers = require("tests.support.server")

local refused = expect.refused

local WAIT_S = 60
local UNKNOWN = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"

local ROUTES = [[
route("GET", "/open-by-team", function(req)
  return json(reports.count{ status = "submitted", by = "team" })
end)
route("GET", "/echo/:name/of/:place", function(req)
  return json(req)
end, { permission = "public" })
route("POST", "/things", function(req) return json({ got = req.body, by = req.user.name }, 201) end)
route("PUT", "/things", function(req) return json(nil, 202) end)
route("DELETE", "/things", function() end)
route("POST", "/size", function(req) return json(#req.body.a) end)
route("GET", "/status/:status", function(req) return json("x", tonumber(req.params.status)) end)
route("GET", "/staff", function() return json("staff") end, { permission = "scripts.read" })
route("POST", "/refuse", function(req)
  return json({ code = "NO_SUCH_LAMP", message = "There is no lamp " .. req.body.lamp }, 404)
end)
route("GET", "/broken", function()
  error("broken on purpose")
end)
route("GET", "/loop", function() while true do end end)
route("GET", "/hand-made", function() return { status = 200 } end)

local calls = {
  get_report = function(a) return reports.get(a.id) end,
  update_report = function(a) return reports.update(a.id, a.changes) end,
  create_order = function(a) return workorders.create(a.order) end,
  get_user = function(a) return users.get(a.id) end,
  count = function(a) return kv.incr("count", a.by) end,
  read = function(a) return kv.get(a.key) end,
  secret = function(a) return #secret(a.name) end,
  fetch = function(a) return http.fetch(a.url, a.options) end,
  hours = function() return time.business_hours("2026-06-01T08:00:00Z", time.add("2026-06-01T08:00:00Z", "90m")) end,
  far = function(a) return math.floor(geo.distance(a.from, a.to)) end,
}
route("POST", "/call/:name", function(req)
  return json(calls[req.params.name](req.body))
end)
]]
local EVENTS = [[
on("report.created", function(event)
  local found = reports.get(event.resourceId)
  if found.severity == "critical" then
    local wo = workorders.create{ reportId = found.id, priority = "urgent", team = "electrical" }
    notify{ role = "dispatcher", title = "Live wire", workOrderId = wo.id, channels = { "in_app", "sms" } }
  end
end)
every("0 7 * * 1-5", "morning", function() kv.incr("mornings") log("good morning") end)
every("*/5 * * * *", "often", function() kv.set("often", now()) end)
]]
local TEMPLATES = [[
template("workorder.assigned", "email", { subject = "{{workorder.number}} for {{name}}",
  body = "Go there:\n{{workorder.title}}\n\nBye {{ nobody }}" })
template("workorder.assigned", "sms", { body = function(message)
  return message.workorder.number .. " (" .. message.workorder.priority .. ")"
end })
template("workorder.assigned", "in_app", { subject = "Work: {{workorder.title}}" })
]]

local server, api, owner, dispatcher, citizen, stranger

local function ok(answer, status)
  assert.equal(status or 200, answer.status, answer.body)
  return answer.json.data
end

local function by(who, json, more)
  local options = more or {}
  options.token, options.json = who.token, json
  return options
end

local function wait_for(what, find)
  local deadline = cqueues.monotime() + WAIT_S
  repeat
    local found = find()
    if found then
      return found
    end
    cqueues.sleep(0.05)
  until cqueues.monotime() > deadline
  error("waited in vain for " .. what .. "\n" .. server:log_text():sub(-2000), 2)
end

local function publish(files, who)
  for path, content in pairs(files) do
    local answer = api:put("/scripts/draft/" .. path, by(who or owner, { content = content }))
    assert.is_true(answer.status < 300, answer.body)
  end
  return ok(api:post("/scripts/publish", by(who or owner, { message = "m" })), 201)
end

-- What a script's capability gives, by way of a route.
local function call(name, arguments, who)
  return api:post("/x/call/" .. name, by(who or dispatcher, arguments or {}))
end

local function check(content)
  for _, file in ipairs(ok(api:get("/scripts", by(owner))).draft.files) do
    ok(api:delete("/scripts/draft/" .. file.path, by(owner)))
  end
  api:put("/scripts/draft/rules/checked.lua", by(owner, { content = content }))
  local texts = {}
  local result = ok(api:post("/scripts/check", by(owner, {})))
  for i, problem in ipairs(result.problems) do
    texts[i] = ("%s %d %s"):format(problem.severity, problem.line, problem.message)
  end
  return texts, result
end

setup(function()
  server = servers.start()
  api = server.api
  owner, dispatcher = api:login("owner@riverton.example"), api:login("dispatcher@riverton.example")
  citizen, stranger = api:login("citizen@riverton.example"), api:login("owner@northgrid.example")
  ok(api:put("/admin/settings", by(owner, { scripts = { allowedHosts = {
    "127.0.0.1:" .. server.port, "localhost:" .. server.port, "10.255.255.1" } } })))
  ok(api:put("/script-secrets/meter", by(owner, { value = "s3cret" })), 201)
  publish({ ["rules/routes.lua"] = ROUTES, ["rules/events.lua"] = EVENTS,
    ["rules/templates.lua"] = TEMPLATES })
end)

teardown(function()
  server:stop()
end)

describe("a route of a script", function()
  it("answers in the API's envelope, to who is signed in", function()
    local answer = api:get("/x/open-by-team", by(dispatcher))
    assert.is_true(#ok(answer) >= 1)
    assert.is_true(answer.json.success)
    assert.same({ got = { lamp = { 1, 2 } }, by = "Dana Diaz" },
      ok(api:post("/x/things", by(dispatcher, { lamp = { 1, 2 } })), 201))
    assert.equal(cjson.null, ok(api:put("/x/things", by(citizen, {})), 202))
    assert.equal(cjson.null, ok(api:delete("/x/things", by(dispatcher))))
    refused(401, "UNAUTHORIZED", api:get("/x/open-by-team", { tenant = "riverton" }))
    assert.equal(200, api:head("/x/open-by-team", by(dispatcher)).status)
  end)

  it("gets the request, whoever it is open to", function()
    local seen = ok(api:get("/x/echo/J%C3%BCrgen/of/a%2Fb?q=1&q=2&r=x%20y", { tenant = "riverton" }))
    assert.same({ method = "GET", path = "/echo/J%C3%BCrgen/of/a%2Fb", query = { q = { "1", "2" }, r = "x y" },
      params = { name = "J\195\188rgen", place = "a/b" } }, seen)
    seen = ok(api:get("/x/echo/a/of/b", by(citizen)))
    assert.same({ id = citizen.user.id, name = "Chris Citizen", role = "public" }, seen.user)
    ok(api:get("/x/staff", by(owner)))
    refused(403, "FORBIDDEN", api:get("/x/staff", by(dispatcher)))
  end)

  it("takes API keys where it asks for what they may", function()
    local function key(scope)
      return { headers = { ["x-api-key"] = ok(api:post("/api-keys", by(owner, { name = scope,
        scopes = { scope } })), 201).key } }
    end
    local reader, counter = key("scripts.read"), key("analytics.read")
    assert.equal("staff", ok(api:get("/x/staff", reader)))
    refused(403, "FORBIDDEN", api:get("/x/staff", counter))
    refused(403, "FORBIDDEN", api:get("/x/open-by-team", reader))
    ok(api:get("/x/echo/a/of/b", counter))
  end)

  it("is where the tenant's release has it, and nowhere else", function()
    refused(404, "NOT_FOUND", api:get("/x/nothing", by(dispatcher)))
    refused(404, "NOT_FOUND", api:get("/x/echo/a", by(dispatcher)))
    local other = refused(405, "METHOD_NOT_ALLOWED", api:get("/x/things", by(dispatcher)))
    assert.truthy(other)
    refused(404, "NOT_FOUND", api:get("/x/open-by-team", by(stranger)))
    refused(404, "NOT_FOUND", api:get("/x/echo/a/of/b", { tenant = "northgrid" }))
    refused(400, "TENANT_REQUIRED", api:get("/x/echo/a/of/b"))
    refused(415, "UNSUPPORTED_MEDIA_TYPE", api:post("/x/things", { token = dispatcher.token, body = "x",
      headers = { ["content-type"] = "text/plain" } }))
  end)

  it("takes as much as a run may be given, and says so of more", function()
    local function send(size, who)
      return api:post("/x/size", by(who or dispatcher, { a = ("x"):rep(size) }))
    end
    assert.equal(130000, ok(send(130000)))
    for _, size in ipairs({ 131072, 600000, 2000000 }) do
      refused(413, "PAYLOAD_TOO_LARGE", send(size))
    end
    local err = refused(413, "PAYLOAD_TOO_LARGE", send(131072, owner))
    assert.equal("The script behind this takes requests of at most 128 KiB", err.message)
    assert.equal("LIMIT_INPUT", err.cause.code)
    local function recorded()
      return ok(api:get("/scripts/runs?status=rejected", by(owner)))[1]
    end
    assert.equal("LIMIT_INPUT", wait_for("the record", recorded).error.code)
  end)

  it("refuses by the API's errors, and fails without a word to strangers", function()
    local err = refused(404, "NO_SUCH_LAMP", api:post("/x/refuse", by(dispatcher, { lamp = "7" })))
    assert.equal("There is no lamp 7", err.message)
    for path, code in pairs({ ["/x/broken"] = "SCRIPT_ERROR", ["/x/loop"] = "LIMIT_CPU",
      ["/x/hand-made"] = "SCRIPT_ERROR" }) do
      err = refused(500, "RULE_FAILED", api:get(path, by(owner)))
      assert.equal(code, err.cause.code)
      assert.matches("^rules/routes.lua:%d+$", err.rule)
      err = refused(500, "RULE_FAILED", api:get(path, by(dispatcher)))
      assert.same({}, { err.cause, err.rule })
    end
    assert.is_nil(server:log_text():find("broken on purpose", 1, true)) -- it is in the run's record
    assert.is_nil(server:log_text():find('"request failed"', 1, true))
  end)

  it("answers by no status but those of answers and of errors", function()
    for _, status in ipairs({ 200, 202, 299 }) do
      assert.equal("x", ok(api:get("/x/status/" .. status, by(dispatcher)), status))
    end
    for _, status in ipairs({ 400, 599 }) do
      refused(status, "REFUSED_BY_SCRIPT", api:get("/x/status/" .. status, by(dispatcher)))
    end
    for _, status in ipairs({ 99, 100, 199, 300, 302, 304, 399, 600, 200.5 }) do
      local err = refused(500, "RULE_FAILED", api:get("/x/status/" .. status, by(owner)))
      assert.same({ code = "SCRIPT_ERROR", message = "json: the status must be 200 to 299 or 400 to 599" },
        err.cause)
    end
  end)

  it("keeps from its caller which secret it misses", function()
    local err = refused(500, "RULE_FAILED", call("secret", { name = "payment-key" }))
    assert.is_nil(err.message:find("payment-key", 1, true))
    err = refused(500, "RULE_FAILED", call("secret", { name = "payment-key" }, owner))
    assert.same({ code = "SCRIPT_ERROR", message = "there is no secret 'payment-key'" }, err.cause)
    assert.matches("^rules/routes.lua:%d+$", err.rule)
    wait_for("both records", function()
      local failed = 0
      for _, run in ipairs(ok(api:get("/scripts/runs?status=error", by(owner)))) do
        failed = failed + (run.error.message == "there is no secret 'payment-key'" and 1 or 0)
      end
      return failed == 2
    end)
  end)

  it("runs once for one Idempotency-Key", function()
    local function send()
      return api:post("/x/call/count", by(dispatcher, { by = 1 }, { headers = { ["idempotency-key"] = "k1" } }))
    end
    local first = ok(send())
    local again = send()
    assert.same({ first, "true" }, { ok(again), again.headers["idempotent-replayed"] })
    assert.equal(first + 1, ok(call("count", { by = 1 })))
  end)
end)

describe("a capability", function()
  it("does what the API does, in the name of the script", function()
    local made = ok(api:post("/reports", by(citizen, { title = "Sparks", category = "electrical",
      severity = "low", location = { description = "gate" } })), 201)
    assert.equal("Sparks!", ok(call("update_report", { id = made.id, changes = { title = "Sparks!" } })).title)
    local order = ok(call("create_order", { order = { reportId = made.id, team = "electrical" } }))
    assert.equal("assigned", order.status)
    local actors = server:sql("SELECT DISTINCT actor FROM audit_logs WHERE resource_id IN ('" .. order.id
      .. "') OR (resource_id = '" .. made.id .. "' AND action = 'report.update')")
    assert.equal("script:rules/routes.lua@1", (actors:gsub("%s+$", "")))
    assert.equal(6, ok(call("secret", { name = "meter" })))
    assert.equal(1.5, ok(call("hours")))
    assert.equal(343556, math.floor(ok(call("far", { from = { latitude = 51.5074, longitude = -0.1278 },
      to = { latitude = 48.8566, longitude = 2.3522 } })) / 1))
  end)

  it("names what is wrong at the author's line", function()
    for name, case in pairs({
      get_report = { {}, "reports.get: id is required" },
      update_report = { { id = UNKNOWN, changes = { title = 7 } }, "reports.update: changes.title must be text" },
      count = { { by = "many" }, "kv.incr: by must be a number" },
      create_order = { { order = { title = "Fix it", team = "Knights" } }, "team must be a team" },
    }) do
      local err = refused(500, "RULE_FAILED", call(name, case[1], owner))
      assert.truthy(err.cause.message:find(case[2], 1, true), err.cause.message)
      assert.matches("^rules/routes.lua:%d+$", err.rule)
    end
  end)

  it("finds nothing by what is no id", function()
    for name, arguments in pairs({ get_report = { id = "x" }, get_user = { id = 7 },
      update_report = { id = "x", changes = { title = "Mine" } },
      create_order = { order = { reportId = "x" } } }) do
      local err = refused(404, "NOT_FOUND", call(name, arguments, owner))
      assert.matches("^%l+%.%l+: %a+ must be", err.cause.message)
      assert.equal(err.cause.message, err.message)
      assert.matches("^rules/routes.lua:%d+$", err.rule)
    end
    local both = call("update_report", { id = "x", changes = { title = 7 } }, owner)
    assert.equal("VALIDATION_ERROR", refused(500, "RULE_FAILED", both).cause.code)
  end)

  it("gives nothing of another tenant", function()
    local theirs = ok(api:post("/reports", by(stranger, { title = "Theirs", category = "other",
      location = { description = "gate" } })), 201)
    for name, arguments in pairs({ get_report = { id = theirs.id }, get_user = { id = stranger.user.id },
      update_report = { id = theirs.id, changes = { title = "Mine" } },
      create_order = { order = { reportId = theirs.id } } }) do
      local err = refused(404, "NOT_FOUND", call(name, arguments, owner))
      assert.equal("NOT_FOUND", err.cause.code)
      assert.matches("^rules/routes.lua:%d+$", err.rule)
      assert.is_nil(refused(404, "NOT_FOUND", call(name, arguments, dispatcher)).cause)
    end
  end)

  it("fetches from the tenant's hosts alone", function()
    local here = "http://127.0.0.1:" .. server.port
    local answer = ok(call("fetch", { url = here .. "/health" }))
    assert.equal(200, answer.status)
    assert.truthy(answer.body:find("status", 1, true))
    assert.equal(404, ok(call("fetch", { url = here .. "/api/v1/nothing", options = { method = "POST",
      json = { a = 1 } } })).status)
    assert.equal(200, ok(call("fetch", { url = "http://localhost:" .. server.port .. "/health" })).status)
    for _, url in ipairs({ "http://127.0.0.1/", "http://127.0.0.1:" .. server.port + 1 .. "/",
      "http://169.254.169.254/latest/meta-data", "http://[::1]:" .. server.port .. "/health",
      "http://2130706433:" .. server.port .. "/health", "http://0x7f.1:" .. server.port .. "/health",
      "http://127.1:" .. server.port .. "/health", "file:///etc/passwd",
      "http://127.0.0.1:" .. server.port .. "@10.0.0.1/" }) do
      local err = refused(500, "RULE_FAILED", call("fetch", { url = url }, owner))
      assert.truthy(err.cause.code == "FORBIDDEN" or err.cause.code == "VALIDATION_ERROR", url)
    end
    -- named without its port: its address is private
    local err = refused(500, "RULE_FAILED", call("fetch", { url = "http://10.255.255.1/" }, owner))
    assert.truthy(err.cause.message:find("private or special network", 1, true), err.cause.message)
  end)

  it("follows a server's redirect to the tenant's hosts alone", function()
    -- A server that answers one request with a redirect, while a script asks it.
    local function asked(location)
      local listener = socket.listen("127.0.0.1", 0)
      assert(listener:listen())
      local _, _, port = listener:localname()
      ok(api:put("/admin/settings", by(owner, { scripts = { allowedHosts = {
        "127.0.0.1:" .. server.port, "127.0.0.1:" .. port } } })))
      local loop, answer = cqueues.new(), nil
      loop:wrap(function()
        local peer = listener:accept(WAIT_S)
        peer:setmode("b", "b")
        for line in peer:lines("*l") do
          if line:find("^%s*$") then
            break
          end
        end
        peer:write("HTTP/1.1 302 Found\r\nLocation: " .. location .. "\r\nContent-Length: 0\r\n"
          .. "Connection: close\r\n\r\n")
        peer:flush()
        peer:close()
        listener:close()
      end)
      loop:wrap(function()
        answer = call("fetch", { url = "http://127.0.0.1:" .. port .. "/" }, owner)
      end)
      assert(loop:loop())
      return answer
    end
    local here = "http://127.0.0.1:" .. server.port
    assert.equal(200, ok(asked(here .. "/health")).status)
    for _, location in ipairs({ "http://127.0.0.1:22/", "http://169.254.169.254/", "http://[::1]:"
      .. server.port .. "/", "//localhost:" .. server.port .. "/health", "file:///etc/passwd" }) do
      assert.equal("FORBIDDEN", refused(500, "RULE_FAILED", asked(location)).cause.code, location)
    end
  end)

  it("waits for no server longer than its run has time", function()
    local listener = socket.listen("127.0.0.1", 0) -- that says nothing
    assert(listener:listen())
    local _, _, port = listener:localname()
    ok(api:put("/admin/settings", by(owner, { scripts = { allowedHosts = { "127.0.0.1:" .. port } } })))
    local began = cqueues.monotime()
    local url = "http://127.0.0.1:" .. port .. "/"
    local err = refused(500, "RULE_FAILED", call("fetch", { url = url, options = { timeout = 10 } }, owner))
    local took_s = cqueues.monotime() - began
    assert.equal("LIMIT_WALL", err.cause.code)
    assert.matches("^limit: wall 4000 ms at rules/routes.lua:%d+$", err.cause.message)
    assert.is_true(took_s > 3.5 and took_s < 6, took_s)
    err = refused(500, "RULE_FAILED", call("fetch", { url = url, options = { timeout = 1 } }, owner))
    assert.equal("FETCH_FAILED", err.cause.code)
    listener:close()
  end)

  it("acts after events, each effect once", function()
    server:sql("UPDATE users SET phone = '+441174960055' WHERE email = 'dispatcher@riverton.example'")
    local made = ok(api:post("/reports", by(citizen, { title = "Cable down", category = "electrical",
      severity = "critical", location = { description = "school" } })), 201)
    local sms = wait_for("the text message", function()
      return mailbox.list(api, "+441174960055")[1]
    end)
    assert.equal("Live wire", sms.text)
    local orders = ok(api:get("/workorders?reportId=" .. made.id, by(dispatcher)))
    assert.same({ 1, "urgent", "Electrical" }, { #orders, orders[1].priority, orders[1].team.name })
    local told = ok(api:get("/notifications?type=script.message", by(dispatcher)))
    assert.same({ 1, "Live wire", orders[1].id }, { #told, told[1].title, told[1].data.workOrderId })
  end)
end)

describe("a schedule of a script", function()
  local function rows()
    return (server:sql("SELECT name, cron, timezone, next_run_at > UTC_TIMESTAMP() FROM script_schedules "
      .. "ORDER BY name"):gsub("%s+$", ""))
  end

  it("is a row that releases keep", function()
    assert.equal("morning\t0 7 * * 1-5\tEurope/London\t1\noften\t*/5 * * * *\tEurope/London\t1", rows())
    server:sql("UPDATE script_schedules SET next_run_at = '2099-01-01' WHERE name = 'morning'")
    publish({ ["rules/more.lua"] = 'every("0 0 1 1 *", "yearly", function() end)' })
    assert.equal("3\t2099", (server:sql("SELECT COUNT(*), MAX(YEAR(next_run_at)) FROM script_schedules")
      :gsub("%s+$", "")))
    ok(api:delete("/scripts/draft/rules/more.lua", by(owner)))
    publish({})
    assert.equal("morning\t0 7 * * 1-5\tEurope/London\t1\noften\t*/5 * * * *\tEurope/London\t1", rows())
  end)

  it("happens when its time has come, once, and then at the next time", function()
    server:sql("UPDATE script_schedules SET next_run_at = UTC_TIMESTAMP(3) - INTERVAL 3 DAY WHERE name = 'morning'")
    wait_for("the morning", function()
      return ok(call("read", { key = "mornings" })) == 1
    end)
    assert.truthy(rows():find("morning\t0 7 * * 1-5\tEurope/London\t1", 1, true))
    assert.equal("1", (server:sql("SELECT COUNT(*) FROM jobs WHERE name = 'scripts.handle' AND payload LIKE "
      .. "'%\"scheduledAt\"%'"):gsub("%s+$", "")))
  end)

  it("goes by the tenant's clock, also when that changes", function()
    local moved = server:sql("SELECT HOUR(next_run_at) FROM script_schedules WHERE name = 'morning'")
    ok(api:put("/admin/settings", by(owner, { timezone = "Asia/Tokyo" })))
    publish({ ["rules/x.lua"] = "local x = 1\nreturn x" })
    assert.not_equal(moved, server:sql("SELECT HOUR(next_run_at) FROM script_schedules WHERE name = 'morning'"))
    assert.equal("22", (server:sql("SELECT HOUR(next_run_at) FROM script_schedules WHERE name = 'morning'")
      :gsub("%s+$", "")))
  end)
end)

describe("a template of a script", function()
  it("words what people get, escaped where it is HTML", function()
    local tech = api:login("tech2@riverton.example")
    server:sql("UPDATE users SET phone = '+441174960066' WHERE email = 'tech2@riverton.example'")
    ok(api:put("/notifications/preferences", by(tech, { channels = { sms = true } })))
    local order = ok(api:post("/workorders", by(dispatcher, { title = "Lamp <b>out</b>", priority = "high" })), 201)
    ok(api:put("/workorders/" .. order.id .. "/assign", by(dispatcher, { userId = tech.user.id })))
    local mail = mailbox.wait(api, "tech2@riverton.example", order.number .. " for Tara Thorne")
    assert.equal("Go there:\nLamp <b>out</b>\n\nBye ", mail.text)
    assert.truthy(mail.html:find("Go there:<br>Lamp &lt;b&gt;out&lt;/b&gt;</p>", 1, true))
    assert.is_nil(mail.html:find("<b>", 1, true))
    local sms = wait_for("the text message", function()
      return mailbox.list(api, "+441174960066")[1]
    end)
    assert.equal(order.number .. " (high)", sms.text)
    assert.equal("Work: Lamp <b>out</b>", ok(api:get("/notifications?limit=1", by(tech)))[1].title)
  end)
end)

describe("a check", function()
  it("tells of schedules, routes and templates that mean nothing", function()
    local texts, result = check([[
every("0 25 * * *", "late", function() end)
every("0 0 30 2 *", "never", function() end)
route("GET", "/a/:x", function() end)
route("GET", "/a/:y", function() end)
route("GET", "/b", function() end, { permission = "lamps.read" })
route("GET", "/c", function() end, "public")
template("workorder.assigned", "email", { subject = "{{workorder.nummer}} {{workorder.number}}", body = "{{name}}" })
template("workorder.assigned", "sms", { text = "x" })
template("made.up", "sms", { body = "{{whatever.it.is}}" })
template("report.escalated", "push", { subject = "{{report.location.description}}", body = "{{percent}} {{report.number}}" })
template("workorder.assigned", "push", { body = "{{workorder.title and {{workorder title}}" })
]])
    assert.same({
      "error 1 every: '0 25 * * *' '25' is no hour",
      "error 2 every: '0 0 30 2 *' names days that never come",
      "error 4 route: there is one like GET /a/:y already",
      "error 5 route: there is no permission 'lamps.read'",
      "error 6 the options of a route must be { permission = \"public\" } or another name",
      "warning 7 template: nothing of 'workorder.assigned' is called 'workorder.nummer'",
    }, { unpack(texts, 1, 6) })
    assert.same({ "error 8 template: a message by sms has no 'text': it takes body", "error 8 template: a message by sms needs 'body'" },
      { unpack(texts, 7, 8) })
    assert.same({ "warning 10 template: nothing of 'report.escalated' is called 'report.number'",
      "warning 11 template: '{{workorder title}}' stands for nothing: it must be like {{title}}",
      "warning 11 template: '{{workorder.title and ' stands for nothing: it must be like {{title}}" },
      { unpack(texts, 9) })
    assert.is_false(result.ok)
  end)
end)
