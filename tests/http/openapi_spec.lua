-- The description of the API: whole in itself, the same as the routes, and true: each answer of a
-- walk through all of them is as it says.
local cjson = require("cjson.safe")
local json_schema = require("tests.support.json_schema")
local mailbox = require("tests.support.mailbox")
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")
local totp = require("tests.support.totp")

local JSON = "application/json"
local UNKNOWN = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"

-- These answer with secrets: a repeat must not get them again.
local SECRET = { ["/api/v1/api-keys"] = true, ["/api/v1/auth/"] = true,
  ["/api/v1/script-secrets/"] = true,
  ["/api/v1/users/switch"] = true, ["/api/v1/workspaces/{id}/switch"] = true }

describe("the description of the API", function()
  local server, api, document, walked, wrong

  setup(function()
    server = servers.start()
    api = server.api
    document = api:get("/openapi.json").json
    walked, wrong = {}, {}
  end)

  teardown(function()
    server:stop()
  end)

  local function each_operation(visit)
    for path, methods in pairs(document.paths) do
      for method, operation in pairs(methods) do
        visit(method:upper() .. " " .. path, operation, method:upper(), path)
      end
    end
  end

  local function resolved(part)
    return part["$ref"] and json_schema.resolve(document, part["$ref"]) or part
  end

  local function shape(path)
    return (path:gsub("{[^}]*}", ":"):gsub("[:*]%w+", ":"))
  end

  -- The operation of a concrete path: a fixed segment goes over a parameter, as in the router.
  local function find(method, path)
    local best, best_count
    for template, methods in pairs(document.paths) do
      local pattern, count = template:gsub("[%-%.]", "%%%0"):gsub("{path}", ".+"):gsub("{[^}]*}", "[^/]+")
      if path:find("^" .. pattern .. "$") and methods[method:lower()]
        and (not best or count < best_count) then
        best, best_count = method .. " " .. template, count
      end
    end
    local template = assert(best, method .. " " .. path .. " is not described"):match(" (.*)$")
    return document.paths[template][method:lower()], best
  end

  it("refers to nothing that is not there", function()
    local function walk(value)
      for name, item in pairs(value) do
        if name == "$ref" then
          assert.truthy(json_schema.resolve(document, item))
        elseif type(item) == "table" then
          walk(item)
        end
      end
    end
    walk(document)
    assert.equal("3.1.0", document.openapi)
  end)

  it("describes each route once, and nothing else", function()
    local code, text = server:command("routes")
    assert.equal(0, code, text)
    local routes, described, ids = {}, {}, {}
    for method, path in text:gmatch("(%u+) +(/%S*)") do
      routes[#routes + 1] = method .. " " .. shape(path)
    end
    each_operation(function(_, operation, method, path)
      described[#described + 1] = method .. " " .. shape(path)
      assert.is_nil(ids[operation.operationId], operation.operationId)
      ids[operation.operationId] = true
    end)
    table.sort(routes)
    table.sort(described)
    assert.same(routes, described)
  end)

  it("says of each what it does, who may, what it takes, returns and refuses", function()
    each_operation(function(name, operation, method, path)
      assert.is_true(#operation.summary > 5, name)
      assert.is_string(operation.tags[1], name)
      assert.is_true(path ~= "/ws" and path ~= "/events" or #operation.description > 500, name)
      assert.truthy(operation["x-permission"], name)
      assert.is_string(operation["x-rate-class"], name)
      assert.truthy(operation.responses["429"], name)
      assert.truthy(operation.responses.default, name)
      local parameters = {}
      for _, part in ipairs(operation.parameters) do
        local parameter = resolved(part)
        assert.is_table(parameter.schema, name)
        parameters[parameter["in"] .. " " .. parameter.name] = parameter
      end
      for parameter in path:gmatch("{([^}]*)}") do
        assert.is_true((parameters["path " .. parameter] or {}).required, name .. " " .. parameter)
      end
      local is_secret = false
      for prefix in pairs(SECRET) do
        is_secret = is_secret or path:find(prefix, 1, true) == 1
      end
      if not is_secret then
        assert.equal(method == "POST", parameters["header Idempotency-Key"] ~= nil, name)
      end
      if method == "POST" or method == "PUT" then
        assert.is_table(operation.requestBody, name)
        assert.truthy(operation.responses["415"], name)
      end
      if operation.security == nil then
        assert.truthy(operation.responses["401"], name)
      end
      local successes = 0
      for status, part in pairs(operation.responses) do
        local response = resolved(part)
        assert.is_true(#response.description > 0, name)
        local content = response.content and response.content[JSON]
        if status:find("^[123]") then
          successes = successes + 1
          local properties = content and content.schema.properties
          if properties and properties.success then
            assert.truthy(next(properties.data), name .. " does not say what its data is")
          end
        elseif status ~= "503" then
          assert.same({ ["$ref"] = "#/components/schemas/Error" }, content.schema, name)
        end
        if status ~= "101" then
          assert.truthy(response.headers["X-Request-Id"], name)
          assert.truthy(response.headers["RateLimit-Remaining"], name)
        end
        if status == "304" then
          assert.truthy(parameters["header If-None-Match"], name)
          assert.truthy(response.headers.ETag, name)
        elseif status == "412" then
          assert.truthy(parameters["header If-Match"], name)
        elseif status == "201" then
          assert.truthy(response.headers.Location, name)
        end
      end
      assert.is_true(successes > 0, name)
    end)
  end)

  -- Sends a request and holds the answer against the description.
  local function ask(expected, method, path, options)
    options = options or {}
    local full = (options.root and "" or "/api/v1") .. path
    local answer = api:request(method, path, options)
    assert.equal(expected, answer.status, method .. " " .. full .. ": " .. tostring(answer.body))
    local operation, name = find(method, (full:gsub("%?.*$", "")))
    local described = operation.responses[tostring(answer.status)]
    local response = resolved(described or operation.responses.default)
    assert.truthy(described or expected >= 500, name .. " does not tell of " .. expected)
    for header in pairs(response.headers or {}) do
      local optional = header == "Idempotent-Replayed"
      assert.truthy(optional or answer.headers[header:lower()], name .. " without " .. header)
    end
    local content = response.content and response.content[JSON]
    if content then
      for _, problem in ipairs(json_schema.problems(document, content.schema, answer.json)) do
        wrong[#wrong + 1] = name .. ": " .. problem
      end
    end
    if expected < 300 then
      walked[name] = true
    end
    return answer.json and answer.json.data, answer
  end

  it("is true for every answer of a walk", function()
    local function by(session, json, more)
      local options = more or {}
      options.token, options.json = session.token, json
      return options
    end
    local picture = { "photos", pictures.jpeg(64, 64), filename = "lamp.jpg" }
    local function new_report(title)
      return ask(201, "POST", "/reports", { tenant = "riverton", multipart = {
        { "data", cjson.encode({ title = title, description = "By the gate",
          category = "street_light", tags = { "dark" }, severity = "high",
          location = { latitude = 51.45, longitude = -2.59, accuracy = 5, description = "gate" },
          reporter = { name = "Rita", email = "rita@contact.example", phone = "+44 117 496 0000" } }) },
        picture } })
    end

    -- Accounts
    local citizen = ask(201, "POST", "/auth/register", { json = { email = "walk@riverton.example",
      password = "Fixxit-demo-2026", fullName = "Wanda Walker", tenant = "riverton" } })
    ask(409, "POST", "/auth/register", { json = { email = "walk@riverton.example",
      password = "Fixxit-demo-2026", fullName = "Wanda Walker" } })
    ask(200, "POST", "/auth/login?cookie=true", { json = { email = "walk@riverton.example",
      password = "Fixxit-demo-2026" } })
    ask(401, "POST", "/auth/login", { json = { email = "walk@riverton.example", password = "no" } })
    citizen = { token = citizen.accessToken, refreshToken = citizen.refreshToken }
    local fresh = ask(200, "POST", "/auth/refresh", { json = { refreshToken = citizen.refreshToken } })
    fresh = ask(200, "POST", "/auth/refresh-token", { json = { refreshToken = fresh.refreshToken } })
    citizen.token = fresh.accessToken
    for _, path in ipairs({ "/users/me", "/users/profile" }) do
      ask(200, "GET", path, by(citizen))
      ask(200, "PUT", path, by(citizen, { phone = "+44 117 496 0001", employee = { team = "north" } }))
    end
    local memberships = ask(200, "GET", "/users/tenants", by(citizen))
    ask(200, "POST", "/users/switch-tenant", by(citizen, { tenantId = memberships[1].id }))

    -- What proves who somebody is
    local email = "walk@riverton.example"
    local password, next_password = "Fixxit-demo-2026", "Hjkl-4242-uiop"
    ask(202, "POST", "/auth/resend-verification", by(citizen, {}))
    ask(200, "POST", "/auth/verify-email", { json = {
      token = mailbox.secret(mailbox.wait(api, email, "Confirm")) } })
    ask(409, "POST", "/auth/resend-verification", by(citizen, {}))
    ask(202, "POST", "/auth/forgot-password", { json = { email = email } })
    local reset = { token = mailbox.secret(mailbox.wait(api, email, "Choose")), password = next_password }
    ask(200, "POST", "/auth/reset-password", { json = reset })
    ask(400, "POST", "/auth/reset-password", { json = reset })
    ask(401, "GET", "/users/me", by(citizen))
    citizen.token = api:login(email, { password = next_password }).token
    local factor = ask(200, "POST", "/auth/mfa/setup", by(citizen, {}))
    totp.settle()
    local codes = ask(200, "POST", "/auth/mfa/enable",
      by(citizen, { code = totp.code(factor.secret, -1) })).recoveryCodes
    ask(409, "POST", "/auth/mfa/setup", by(citizen, {}))
    local _, asked = ask(401, "POST", "/auth/login", { json = { email = email, password = next_password } })
    citizen.token = ask(200, "POST", "/auth/mfa/verify",
      { json = { mfaToken = asked.json.error.mfaToken, recoveryCode = codes[1] } }).accessToken
    ask(200, "POST", "/auth/mfa/disable", by(citizen, { password = next_password,
      code = totp.code(factor.secret) }))
    ask(200, "PUT", "/users/me", by(citizen, { currentPassword = next_password, newPassword = password }))
    local others = ask(200, "GET", "/auth/sessions", by(api:login(email)))
    ask(200, "DELETE", "/auth/sessions/" .. others[#others].id, by(citizen))
    citizen.token = api:login(email).token

    -- One's own data
    for _, path in ipairs({ "/users/me/avatar", "/users/profile/avatar" }) do
      ask(200, "POST", path, by(citizen, nil,
        { multipart = { { "avatar", pictures.jpeg(64, 64), filename = "me.jpg" } } }))
    end
    local own = ask(200, "GET", "/users/me", by(citizen))
    ask(200, "GET", "/users/" .. own.id .. "/avatar", by(citizen))
    ask(200, "GET", "/users/stats", by(citizen))
    ask(200, "GET", "/users/activity?limit=3", by(citizen))
    local copy = ask(202, "POST", "/users/export-data", by(citizen, {}))
    mailbox.wait(api, email, "Your data is ready")
    copy = ask(200, "GET", "/users/export-data/" .. copy.id, by(citizen))
    ask(200, "GET", (copy.url:gsub("^/api/v1", "")), by(citizen))
    for i, path in ipairs({ "/users/me", "/users/profile", "/users/delete-account" }) do
      local leaver = ask(201, "POST", "/auth/register", { json = { email = i .. "leaves@x.example",
        password = password, fullName = "Leo Leaver" } })
      ask(200, "DELETE", path, { token = leaver.accessToken, json = { password = password } })
    end

    local dispatcher = api:login("dispatcher@riverton.example")
    local technician = api:login("tech1@riverton.example")
    local owner = api:login("owner@riverton.example")
    local members = ask(200, "GET", "/users?limit=2", by(dispatcher))
    ask(200, "GET", "/users?page=1&limit=2", by(dispatcher))
    ask(200, "GET", "/users/search?q=dis", by(dispatcher))
    ask(200, "GET", "/users/" .. members[1].id, by(dispatcher))
    ask(404, "GET", "/users/" .. UNKNOWN, by(dispatcher))
    ask(403, "GET", "/users", by(citizen))
    ask(401, "GET", "/users")

    -- People and roles
    local person = ask(201, "POST", "/auth/register", { json = { email = "role@x.example",
      password = password, fullName = "Rolf Role", tenant = "riverton" } }).user
    local admin = api:login("admin@riverton.example")
    local role = ask(201, "POST", "/roles", by(admin, { name = "scout",
      description = "Looks around", permissions = { "users.read" } }))
    ask(409, "POST", "/roles", by(admin, { name = "scout", permissions = { "users.read" } }))
    ask(403, "POST", "/roles", by(admin, { name = "king", permissions = { "workspaces.manage" } }))
    ask(200, "GET", "/roles", by(admin))
    ask(200, "GET", "/roles/" .. role.id, by(admin))
    ask(200, "GET", "/roles/viewer", by(admin))
    ask(200, "GET", "/permissions", by(admin))
    ask(200, "PUT", "/roles/" .. role.id, by(admin, { permissions = { "users.read", "audit.read" } }))
    ask(200, "PUT", "/admin/users/" .. person.id .. "/role", by(admin, { role = "viewer" }))
    ask(200, "PUT", "/users/" .. person.id .. "/permissions", by(admin, { add = { "files.create" } }))
    ask(200, "POST", "/users/" .. person.id .. "/roles/" .. role.id, by(admin, {}))
    ask(200, "GET", "/users/" .. person.id, by(dispatcher))
    ask(200, "DELETE", "/users/" .. person.id .. "/roles/" .. role.id, by(admin))
    ask(200, "DELETE", "/roles/" .. role.id, by(admin))
    local key = ask(201, "POST", "/api-keys", by(admin, { name = "meter", scopes = { "users.read" },
      expiresAt = "2999-01-01T00:00:00Z", ipAllowList = { "127.0.0.0/8" } }))
    ask(200, "GET", "/api-keys", by(admin))
    ask(200, "GET", "/api-keys/" .. key.id, by(admin))
    ask(200, "PUT", "/api-keys/" .. key.id, by(admin, { name = "counter", expiresAt = cjson.null }))
    ask(200, "POST", "/api-keys/" .. key.id .. "/rotate", by(admin, { graceHours = 1 }))
    ask(200, "GET", "/users?limit=1", { headers = { ["x-api-key"] = key.key } })
    ask(403, "POST", "/users/switch-tenant", { headers = { ["x-api-key"] = key.key }, json = {} })
    ask(200, "DELETE", "/api-keys/" .. key.id, by(admin))
    ask(401, "GET", "/users?limit=1", { headers = { ["x-api-key"] = key.key } })
    ask(200, "PUT", "/users/" .. person.id .. "/status", by(admin, { status = "banned", reason = "spam" }))
    ask(403, "DELETE", "/users/" .. owner.user.id, by(admin))
    ask(200, "DELETE", "/users/" .. person.id, by(admin))

    -- Workspaces
    local workspace = ask(201, "POST", "/workspaces", by(owner, { name = "Walkers" }))
    local place = "/workspaces/" .. workspace.id
    ask(200, "GET", "/workspaces?page=1", by(owner))
    ask(200, "GET", place, by(owner))
    ask(200, "PUT", place, by(owner, { contactInfo = { email = "w@x.example" } }))
    ask(403, "PUT", place, by(owner, { tier = "free" }))
    ask(200, "GET", place .. "/members", by(owner))
    ask(200, "GET", "/workspaces/" .. owner.user.tenant.id .. "/members", by(technician))
    local invitation = ask(201, "POST", place .. "/members/invite",
      by(owner, { email = "away@x.example", role = "viewer" }))
    ask(200, "GET", place .. "/invitations", by(owner))
    ask(200, "DELETE", place .. "/invitations/" .. invitation.id, by(owner))
    ask(404, "DELETE", place .. "/invitations/" .. invitation.id, by(owner))
    ask(201, "POST", place .. "/members/invite",
      by(owner, { email = "dispatcher@riverton.example", role = "admin" }))
    ask(200, "POST", place .. "/members/accept", by(dispatcher, { token = mailbox.secret(
      mailbox.wait(api, "dispatcher@riverton.example", "An invitation")) }))
    ask(200, "POST", place .. "/switch", by(dispatcher, {}))
    ask(200, "POST", place .. "/transfer", by(owner, { userId = dispatcher.user.id }))
    ask(200, "DELETE", place .. "/members/" .. owner.user.id, by(owner))
    ask(409, "DELETE", place .. "/members/" .. dispatcher.user.id, by(dispatcher))
    ask(200, "DELETE", place, by(dispatcher))

    -- Notifications
    server:sql("INSERT INTO notifications (id, user_id, type, title, message) VALUES (UUID(), '"
      .. technician.user.id .. "', 't.told', 'Told', 'Something')")
    local told = ask(200, "GET", "/notifications?limit=1", by(technician))[1]
    ask(200, "GET", "/notifications?page=1&unread=true", by(technician))
    ask(200, "PUT", "/notifications/" .. told.id .. "/read", by(technician, {}))
    ask(200, "PUT", "/notifications/read-all", by(technician, {}))
    ask(200, "DELETE", "/notifications/" .. told.id, by(technician))
    ask(404, "DELETE", "/notifications/" .. told.id, by(technician))
    ask(200, "PUT", "/notifications/preferences", by(technician, { channels = { push = true },
      types = { ["report.updated"] = { email = false } }, digest = "hourly",
      quietHours = { start = "20:00", ["end"] = "08:00" } }))
    ask(200, "GET", "/notifications/preferences", by(technician))
    ask(200, "GET", "/notifications/preferences", by(citizen))
    ask(400, "PUT", "/notifications/preferences", by(technician, { digest = "never" }))

    -- Settings
    ask(200, "PUT", "/admin/settings", by(owner, { slaHours = { high = 12 }, timezone = "Europe/Rome" }))
    ask(400, "PUT", "/admin/settings", by(owner, { timezone = "Europe/Nowhere" }))
    ask(200, "GET", "/admin/settings", by(owner))

    -- Reports
    local report, other = new_report("Dark corner"), new_report("Dark corner by the gate")
    local path = "/reports/" .. report.id
    ask(400, "POST", "/reports", { tenant = "riverton", json = { title = "x" } })
    ask(404, "POST", "/reports", { tenant = "nowhere", json = {} })
    ask(415, "PUT", path, by(dispatcher, nil, { body = "x", headers = { ["content-type"] = "text/x" } }))
    ask(200, "GET", "/reports/categories", { tenant = "riverton" })
    ask(200, "GET", "/reports/nearby?lat=51.45&lng=-2.59", { tenant = "riverton" })
    ask(200, "GET", "/reports/track/" .. report.trackingCode)
    local _, detail = ask(200, "GET", path, by(dispatcher))
    ask(304, "GET", path, by(dispatcher, nil, { headers = { ["if-none-match"] = detail.headers.etag } }))
    ask(200, "PUT", path, by(dispatcher, { title = "Dark corner at night" }))
    ask(412, "PUT", path, by(dispatcher, { title = "x y z" },
      { headers = { ["if-match"] = detail.headers.etag } }))
    ask(200, "PUT", path .. "/status", by(dispatcher, { status = "acknowledged", reason = "seen" }))
    ask(409, "PUT", path .. "/status", by(dispatcher, { status = "closed" }))
    ask(200, "POST", "/reports/" .. other.id .. "/merge", by(dispatcher, { into = report.id }))

    -- Work
    local order = ask(201, "POST", "/workorders", by(dispatcher, { reportId = report.id,
      checklist = { { text = "ladder" } }, estimatedMinutes = 30 }))
    local work = "/workorders/" .. order.id
    local function step(action, who, body)
      ask(200, "PUT", work .. "/" .. action, by(who, body or {}))
    end
    step("assign", dispatcher, { userId = technician.user.id })
    step("reject", technician, { reason = "busy" })
    step("assign", dispatcher, { userId = technician.user.id, force = true })
    step("accept", technician)
    ask(409, "PUT", work .. "/verify", by(dispatcher, {}))
    step("start", technician)
    step("hold", technician, { reason = "rain" })
    step("status", technician, { status = "in_progress" })
    step("status", technician, { status = "on_hold", reason = "more rain" })
    step("resume", technician)
    local done = ask(201, "POST", "/remediations", by(technician, { workOrderId = order.id,
      description = "New bulb", timeSpent = 20,
      materialsUsed = { { name = "bulb", quantity = 1, unit = "pc", cost = 4.5 } } }))
    ask(200, "PUT", "/remediations/" .. done.id, by(technician, { description = "New bulb, cleaned" }))
    ask(201, "POST", "/remediations/" .. done.id .. "/photos", by(technician, nil, { multipart = {
      { "before", pictures.jpeg(64, 64), filename = "a.jpg" } } }))
    ask(200, "GET", "/remediations/" .. order.id, by(technician))
    step("complete", technician, { notes = "works", minutesSpent = 20 })
    step("verify", dispatcher)
    ask(200, "GET", work, by(dispatcher))
    ask(200, "PUT", work, by(dispatcher, { priority = "urgent" }))
    ask(200, "GET", work .. "/history", by(dispatcher))
    ask(200, "GET", "/teams", by(dispatcher))
    local spare = ask(201, "POST", "/workorders", by(dispatcher, { title = "Spare" }))
    ask(200, "PUT", "/workorders/" .. spare.id .. "/cancel", by(dispatcher, {}))
    ask(200, "DELETE", "/workorders/" .. spare.id, by(owner))

    -- Lists, with all that they may hold
    ask(200, "GET", "/workorders?limit=5", by(dispatcher))
    ask(200, "GET", "/workorders?view=list&page=1", by(dispatcher))
    ask(200, "GET", "/workorders?view=kanban&fields=title&include=attachments", by(dispatcher))
    ask(200, "GET", "/reports?limit=2", by(dispatcher))
    ask(200, "GET", "/reports?page=2&limit=2&sort=-severity,title", by(dispatcher))
    ask(200, "GET", "/reports?include=attachments,workOrders&near=51.45,-2.59", by(dispatcher))
    ask(200, "GET", "/reports?fields=title,location", by(dispatcher))
    ask(400, "GET", "/reports?sort=nothing", by(dispatcher))

    -- Files
    local attachment = ask(201, "POST", "/files/upload", by(dispatcher, nil, { multipart = {
      { "parentType", "report" }, { "parentId", report.id }, { "caption", "later" },
      { "file", pictures.jpeg(64, 64), filename = "b.jpg" } } }))
    ask(200, "GET", "/files/" .. attachment.fileId, by(dispatcher))
    ask(200, "GET", "/files/thumbnail/" .. attachment.fileId .. "?w=64", by(dispatcher))
    ask(200, "DELETE", "/files/" .. attachment.fileId, by(dispatcher))

    -- Scripts
    local script = "/scripts/draft/rules/walk.lua"
    ask(201, "PUT", script, by(owner, { content = "undefined()" }))
    ask(200, "PUT", script, by(owner, { content = "local unused = 1\n" }))
    ask(200, "GET", script, by(owner))
    ask(400, "PUT", "/scripts/draft/Walk.lua", by(owner, { content = "" }))
    ask(201, "PUT", "/scripts/draft/rules/routes.lua", by(owner, { content = [[
for _, method in ipairs{ "GET", "POST", "PUT", "PATCH", "DELETE" } do
  route(method, "/walk", function(req) return json(req) end)
end
route("GET", "/sorry", function() return json("sorry", 404) end)]] }))
    ask(200, "POST", "/scripts/check", by(owner, {}))
    ask(201, "POST", "/scripts/publish", by(owner, { message = "walk" }))
    for _, method in ipairs({ "GET", "POST", "PUT", "PATCH", "DELETE" }) do
      ask(200, method, "/x/walk", by(technician, method:find("P") and {} or nil))
    end
    ask(404, "GET", "/x/sorry", by(technician))
    ask(201, "POST", "/scripts/publish", by(owner, { message = "walk on", canary = 10 }))
    ask(200, "POST", "/scripts/files/rules/walk.lua/disable", by(owner, { reason = "rest" }))
    ask(201, "PUT", "/script-secrets/walk", by(owner, { value = "on" }))
    ask(200, "GET", "/scripts", by(owner))
    ask(200, "GET", "/scripts/releases", by(owner))
    ask(200, "GET", "/scripts/releases/1", by(owner))
    ask(404, "GET", "/scripts/releases/9", by(owner))
    ask(200, "GET", "/scripts/releases/1/diff", by(owner))
    ask(409, "POST", "/scripts/migrate", by(owner, { of = "workorder" }))
    ask(200, "POST", "/scripts/rollback", by(owner, { release = 1 }))
    ask(200, "POST", "/scripts/migrate", by(owner, { of = "workorder" }))
    ask(409, "POST", "/scripts/rollback", by(owner, { release = 1 }))
    ask(200, "POST", "/scripts/files/rules/walk.lua/enable", by(owner, {}))
    ask(200, "PUT", "/script-secrets/walk", by(owner, { value = "off" }))
    ask(200, "DELETE", "/script-secrets/walk", by(owner))
    ask(200, "PUT", script, by(owner, { content = "undefined()" }))
    ask(422, "POST", "/scripts/publish", by(owner, { message = "broken" }))
    ask(200, "DELETE", script, by(owner))

    local tenant = api:get("/users/me", { token = owner.token }).json.data.tenant.id
    local test = server:sql("SELECT UUID()"):match("%S+")
    server:sql(("INSERT INTO script_trials (id, tenant_id, request) VALUES ('%s', '%s', '{}')")
      :format(test, tenant))
    ask(200, "GET", "/scripts/tests/" .. test, by(owner))
    ask(404, "GET", "/scripts/tests/" .. UNKNOWN, by(owner))
    ask(400, "POST", "/scripts/test", by(owner, { last = 1, eventId = UNKNOWN }))
    ask(201, "PUT", script, by(owner, { content = 'on("report.created", function() end)\n' }))
    ask(200, "POST", "/scripts/test", by(owner, { last = 5, compare = "active" }))
    ask(404, "POST", "/scripts/test", by(owner, { eventId = UNKNOWN }))
    server:sql(("INSERT INTO script_runs (id, tenant_id, file, hook, status, started_at, cpu_us, "
      .. "wall_us, memory_bytes, calls) VALUES ('%s', '%s', 'a.lua', 'h', 'ok', NOW(3), 1, 1, 1, 0)")
      :format(test, tenant))
    ask(200, "GET", "/scripts/runs", by(owner))
    ask(200, "GET", "/scripts/runs/" .. test, by(owner))
    ask(404, "GET", "/scripts/runs/" .. UNKNOWN, by(owner))
    ask(200, "GET", "/scripts/stats", by(owner))

    -- The rest
    ask(200, "GET", "/realtime/snapshot?topic=report:" .. report.id, by(dispatcher))
    ask(403, "GET", "/realtime/snapshot?topic=report:" .. report.id)
    ask(200, "DELETE", path, by(owner))
    for _, root in ipairs({ "/health", "/ready", "/metrics", "/.well-known/jwks.json", "/dev/mailbox",
      "/dev/mailbox.js", "/dev/mailbox.css", "/dev/mailbox.json" }) do
      ask(200, "GET", root, { root = true })
    end
    ask(200, "DELETE", "/dev/mailbox", { root = true })
    for _, plain in ipairs({ "/health", "/system/health", "/openapi.json" }) do
      ask(200, "GET", plain)
    end
    ask(200, "POST", "/auth/logout", by(citizen, {}))

    local missed = {}
    each_operation(function(name)
      if not walked[name] and name ~= "GET /ws" and name ~= "GET /events" then -- connections
        missed[#missed + 1] = name
      end
    end)
    assert.same({}, wrong)
    assert.same({}, missed)
  end)
end)
