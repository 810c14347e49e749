-- Who may do what: every route with every role, and every id with another tenant. The expectations
-- are written down here and nowhere derived; a route without one fails.
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

local ROLES = { "owner", "admin", "dispatcher", "technician", "member", "viewer", "public" }
local UNTOLD = "01a1fe30-4a20-7801-8518-f6b2802ed6f9"
local UNKNOWN = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"

local ANYBODY = "anybody"
local SIGNED_IN = "owner admin dispatcher technician member viewer public"
local DISPATCH = "owner admin dispatcher"
local WORK = "owner admin dispatcher technician"
local ADMINISTRATION = "owner admin"
local SEE_WORK = "owner admin dispatcher technician viewer"

-- Route -> the roles that pass its door. What they then may do with one object is further down.
local DOORS = {
  ["GET /.well-known/jwks.json"] = ANYBODY,
  ["PUT /api/v1/admin/users/:id/role"] = ADMINISTRATION,
  ["GET /api/v1/admin/settings"] = "owner admin",
  ["PUT /api/v1/admin/settings"] = "owner admin",
  ["GET /api/v1/api-keys"] = ADMINISTRATION,
  ["POST /api/v1/api-keys"] = ADMINISTRATION,
  ["DELETE /api/v1/api-keys/:id"] = ADMINISTRATION,
  ["GET /api/v1/api-keys/:id"] = ADMINISTRATION,
  ["PUT /api/v1/api-keys/:id"] = ADMINISTRATION,
  ["POST /api/v1/api-keys/:id/rotate"] = ADMINISTRATION,
  ["POST /api/v1/auth/forgot-password"] = ANYBODY,
  ["POST /api/v1/auth/login"] = ANYBODY,
  ["POST /api/v1/auth/logout"] = SIGNED_IN,
  ["POST /api/v1/auth/mfa/disable"] = SIGNED_IN,
  ["POST /api/v1/auth/mfa/enable"] = SIGNED_IN,
  ["POST /api/v1/auth/mfa/setup"] = SIGNED_IN,
  ["POST /api/v1/auth/mfa/verify"] = ANYBODY,
  ["POST /api/v1/auth/refresh"] = ANYBODY,
  ["POST /api/v1/auth/refresh-token"] = ANYBODY,
  ["POST /api/v1/auth/register"] = ANYBODY,
  ["POST /api/v1/auth/resend-verification"] = SIGNED_IN,
  ["POST /api/v1/auth/reset-password"] = ANYBODY,
  ["GET /api/v1/auth/sessions"] = SIGNED_IN,
  ["DELETE /api/v1/auth/sessions/:id"] = SIGNED_IN,
  ["POST /api/v1/auth/verify-email"] = ANYBODY,
  ["DELETE /api/v1/files/:id"] = SIGNED_IN,
  ["GET /api/v1/files/:id"] = ANYBODY,
  ["GET /api/v1/files/thumbnail/:id"] = ANYBODY,
  ["POST /api/v1/files/upload"] = SIGNED_IN,
  ["GET /api/v1/health"] = ANYBODY,
  ["GET /api/v1/notifications"] = SIGNED_IN,
  ["DELETE /api/v1/notifications/:id"] = SIGNED_IN,
  ["PUT /api/v1/notifications/:id/read"] = SIGNED_IN,
  ["GET /api/v1/notifications/preferences"] = SIGNED_IN,
  ["PUT /api/v1/notifications/preferences"] = SIGNED_IN,
  ["PUT /api/v1/notifications/read-all"] = SIGNED_IN,
  ["GET /api/v1/openapi.json"] = ANYBODY,
  ["GET /api/v1/realtime/snapshot"] = ANYBODY,
  ["GET /api/v1/permissions"] = ADMINISTRATION,
  ["POST /api/v1/remediations"] = WORK,
  ["PUT /api/v1/remediations/:id"] = WORK,
  ["POST /api/v1/remediations/:id/photos"] = WORK,
  ["GET /api/v1/remediations/:workorderId"] = SEE_WORK,
  ["GET /api/v1/reports"] = SIGNED_IN,
  ["POST /api/v1/reports"] = ANYBODY,
  ["DELETE /api/v1/reports/:id"] = SIGNED_IN,
  ["GET /api/v1/reports/:id"] = SIGNED_IN,
  ["PUT /api/v1/reports/:id"] = SIGNED_IN,
  ["POST /api/v1/reports/:id/merge"] = DISPATCH,
  ["PUT /api/v1/reports/:id/status"] = DISPATCH,
  ["GET /api/v1/reports/categories"] = ANYBODY,
  ["GET /api/v1/reports/nearby"] = ANYBODY,
  ["GET /api/v1/reports/track/:code"] = ANYBODY,
  ["GET /api/v1/roles"] = ADMINISTRATION,
  ["POST /api/v1/roles"] = ADMINISTRATION,
  ["DELETE /api/v1/roles/:id"] = ADMINISTRATION,
  ["GET /api/v1/roles/:id"] = ADMINISTRATION,
  ["PUT /api/v1/roles/:id"] = ADMINISTRATION,
  ["GET /api/v1/scripts"] = ADMINISTRATION,
  ["POST /api/v1/scripts/check"] = ADMINISTRATION,
  ["DELETE /api/v1/scripts/draft/*path"] = ADMINISTRATION,
  ["GET /api/v1/scripts/draft/*path"] = ADMINISTRATION,
  ["PUT /api/v1/scripts/draft/*path"] = ADMINISTRATION,
  ["POST /api/v1/scripts/files/*path/disable"] = ADMINISTRATION,
  ["POST /api/v1/scripts/files/*path/enable"] = ADMINISTRATION,
  ["POST /api/v1/scripts/publish"] = ADMINISTRATION,
  ["GET /api/v1/scripts/releases"] = ADMINISTRATION,
  ["GET /api/v1/scripts/releases/:release"] = ADMINISTRATION,
  ["GET /api/v1/scripts/releases/:release/diff"] = ADMINISTRATION,
  ["POST /api/v1/scripts/migrate"] = ADMINISTRATION,
  ["POST /api/v1/scripts/rollback"] = ADMINISTRATION,
  ["GET /api/v1/scripts/runs"] = ADMINISTRATION,
  ["GET /api/v1/scripts/runs/:id"] = ADMINISTRATION,
  ["GET /api/v1/scripts/stats"] = ADMINISTRATION,
  ["POST /api/v1/scripts/test"] = ADMINISTRATION,
  ["GET /api/v1/scripts/tests/:id"] = ADMINISTRATION,
  ["DELETE /api/v1/script-secrets/:name"] = ADMINISTRATION,
  ["PUT /api/v1/script-secrets/:name"] = ADMINISTRATION,
  ["GET /api/v1/system/health"] = ANYBODY,
  ["GET /api/v1/teams"] = SEE_WORK,
  ["GET /api/v1/users"] = DISPATCH,
  ["DELETE /api/v1/users/:id"] = ADMINISTRATION,
  ["GET /api/v1/users/:id"] = DISPATCH,
  ["GET /api/v1/users/:id/avatar"] = SIGNED_IN,
  ["PUT /api/v1/users/:id/permissions"] = ADMINISTRATION,
  ["DELETE /api/v1/users/:id/roles/:roleId"] = ADMINISTRATION,
  ["POST /api/v1/users/:id/roles/:roleId"] = ADMINISTRATION,
  ["PUT /api/v1/users/:id/status"] = ADMINISTRATION,
  ["GET /api/v1/users/activity"] = SIGNED_IN,
  ["DELETE /api/v1/users/delete-account"] = SIGNED_IN,
  ["POST /api/v1/users/export-data"] = SIGNED_IN,
  ["GET /api/v1/users/export-data/:id"] = SIGNED_IN,
  ["GET /api/v1/users/export-data/:id/download"] = SIGNED_IN,
  ["DELETE /api/v1/users/me"] = SIGNED_IN,
  ["GET /api/v1/users/me"] = SIGNED_IN,
  ["PUT /api/v1/users/me"] = SIGNED_IN,
  ["POST /api/v1/users/me/avatar"] = SIGNED_IN,
  ["DELETE /api/v1/users/profile"] = SIGNED_IN,
  ["GET /api/v1/users/profile"] = SIGNED_IN,
  ["PUT /api/v1/users/profile"] = SIGNED_IN,
  ["POST /api/v1/users/profile/avatar"] = SIGNED_IN,
  ["GET /api/v1/users/search"] = DISPATCH,
  ["GET /api/v1/users/stats"] = SIGNED_IN,
  ["POST /api/v1/users/switch-tenant"] = SIGNED_IN,
  ["GET /api/v1/users/tenants"] = SIGNED_IN,
  ["GET /api/v1/workorders"] = SEE_WORK,
  ["POST /api/v1/workorders"] = DISPATCH,
  ["DELETE /api/v1/workorders/:id"] = "owner admin",
  ["GET /api/v1/workorders/:id"] = SEE_WORK,
  ["PUT /api/v1/workorders/:id"] = DISPATCH,
  ["PUT /api/v1/workorders/:id/accept"] = WORK,
  ["PUT /api/v1/workorders/:id/assign"] = DISPATCH,
  ["PUT /api/v1/workorders/:id/cancel"] = DISPATCH,
  ["PUT /api/v1/workorders/:id/complete"] = WORK,
  ["GET /api/v1/workorders/:id/history"] = SEE_WORK,
  ["PUT /api/v1/workorders/:id/hold"] = WORK,
  ["PUT /api/v1/workorders/:id/reject"] = WORK,
  ["PUT /api/v1/workorders/:id/resume"] = WORK,
  ["PUT /api/v1/workorders/:id/start"] = WORK,
  ["PUT /api/v1/workorders/:id/status"] = WORK,
  ["PUT /api/v1/workorders/:id/verify"] = DISPATCH,
  -- Who may do what inside of a workspace goes by the role there: workspaces_spec.
  ["GET /api/v1/workspaces"] = SIGNED_IN,
  ["POST /api/v1/workspaces"] = SIGNED_IN,
  ["DELETE /api/v1/workspaces/:id"] = SIGNED_IN,
  ["GET /api/v1/workspaces/:id"] = SIGNED_IN,
  ["PUT /api/v1/workspaces/:id"] = SIGNED_IN,
  ["GET /api/v1/workspaces/:id/invitations"] = SIGNED_IN,
  ["DELETE /api/v1/workspaces/:id/invitations/:invitationId"] = SIGNED_IN,
  ["GET /api/v1/workspaces/:id/members"] = SIGNED_IN,
  ["DELETE /api/v1/workspaces/:id/members/:userId"] = SIGNED_IN,
  ["POST /api/v1/workspaces/:id/members/accept"] = SIGNED_IN,
  ["POST /api/v1/workspaces/:id/members/invite"] = SIGNED_IN,
  ["POST /api/v1/workspaces/:id/switch"] = SIGNED_IN,
  ["POST /api/v1/workspaces/:id/transfer"] = SIGNED_IN,
  -- The routes of tenants' scripts: each says who may call it, see scripts_capabilities_spec.
  ["DELETE /api/v1/x/*path"] = ANYBODY,
  ["GET /api/v1/x/*path"] = ANYBODY,
  ["PATCH /api/v1/x/*path"] = ANYBODY,
  ["POST /api/v1/x/*path"] = ANYBODY,
  ["PUT /api/v1/x/*path"] = ANYBODY,
  ["GET /events"] = ANYBODY, -- with a token or a public topic
  ["DELETE /dev/mailbox"] = ANYBODY, -- there is none in production
  ["GET /dev/mailbox"] = ANYBODY,
  ["GET /dev/mailbox.css"] = ANYBODY,
  ["GET /dev/mailbox.js"] = ANYBODY,
  ["GET /dev/mailbox.json"] = ANYBODY,
  ["GET /health"] = ANYBODY,
  ["GET /metrics"] = ANYBODY, -- by token, or from the same machine
  ["GET /ready"] = ANYBODY,
  ["GET /ws"] = ANYBODY,
}

-- The doors for everybody signed in that an API key passes, whatever its scopes. All other such
-- doors are about a person's account, and closed to keys.
local KEY_DOORS = {
  ["DELETE /api/v1/files/:id"] = true,
  ["POST /api/v1/files/upload"] = true,
  ["GET /api/v1/reports"] = true,
  ["DELETE /api/v1/reports/:id"] = true,
  ["GET /api/v1/reports/:id"] = true,
  ["PUT /api/v1/reports/:id"] = true,
  ["GET /api/v1/users/me"] = true,
  ["GET /api/v1/users/profile"] = true,
}

-- Body with which a route with an id would work; "photos" is a form.
local PICTURES = "photos"
local BODIES = {
  ["PUT /api/v1/api-keys/:id"] = { name = "theirs" },
  ["PUT /api/v1/admin/users/:id/role"] = { role = "viewer" },
  ["PUT /api/v1/roles/:id"] = { name = "theirs" },
  ["PUT /api/v1/users/:id/permissions"] = { remove = { "reports.read" } },
  ["PUT /api/v1/users/:id/status"] = { status = "banned", reason = "because" },
  ["PUT /api/v1/notifications/:id/read"] = {},
  ["PUT /api/v1/remediations/:id"] = { description = "changed" },
  ["POST /api/v1/remediations/:id/photos"] = PICTURES,
  ["PUT /api/v1/reports/:id"] = { title = "changed" },
  ["POST /api/v1/reports/:id/merge"] = { into = UNKNOWN },
  ["PUT /api/v1/reports/:id/status"] = { status = "acknowledged" },
  ["PUT /api/v1/workorders/:id"] = { title = "changed" },
  ["PUT /api/v1/workorders/:id/accept"] = {},
  ["PUT /api/v1/workorders/:id/cancel"] = {},
  ["PUT /api/v1/workorders/:id/complete"] = { notes = "done" },
  ["PUT /api/v1/workorders/:id/hold"] = { reason = "rain" },
  ["PUT /api/v1/workorders/:id/reject"] = { reason = "busy" },
  ["PUT /api/v1/workorders/:id/resume"] = {},
  ["PUT /api/v1/workorders/:id/start"] = {},
  ["PUT /api/v1/workorders/:id/status"] = { status = "in_progress" },
  ["PUT /api/v1/workorders/:id/verify"] = {},
  ["POST /api/v1/workspaces/:id/members/accept"] = { token = "none" },
  ["POST /api/v1/workspaces/:id/members/invite"] = { email = "a@x.example", role = "viewer" },
  ["POST /api/v1/workspaces/:id/transfer"] = { userId = UNKNOWN },
}

-- What is known by a name or a number: Riverton has it.
local NAMED = { name = "billing", release = "1" }

-- What a stranger is told in another way than 404.
local TOLD = {
  ["POST /api/v1/workspaces/:id/switch"] = { 403, "FORBIDDEN" },
  ["PUT /api/v1/script-secrets/:name"] = { 400, "VALIDATION_ERROR" }, -- a name of their own
}

describe("access", function()
  local server, api, sessions, stranger, routes, things

  local function send(method, path, options)
    options.root = true
    return api:request(method, path, options)
  end

  local function created(path, options, method)
    local answer = api[method or "post"](api, path, options)
    assert.equal(201, answer.status, answer.body)
    return answer.json.data
  end

  -- One of each thing in Riverton: a report with a picture, and work on it with what was done.
  local function make_things()
    local dispatcher, technician = sessions.dispatcher, sessions.technician
    local cjson = require("cjson.safe")
    local report = created("/reports", { tenant = "riverton", multipart = {
      { "data", cjson.encode({ title = "Broken lamp", category = "street_light",
        location = { latitude = 51.45, longitude = -2.59 },
        reporter = { name = "Rita Reporter", email = "rita@contact.example", phone = "+44 117 496 0000" } }) },
      { "photos", pictures.jpeg(64, 64), filename = "lamp.jpg", type = "image/jpeg" },
    } })
    local order = created("/workorders", { token = dispatcher.token,
      json = { reportId = report.id } })
    api:put("/workorders/" .. order.id .. "/assign",
      { token = dispatcher.token, json = { userId = technician.user.id } })
    api:put("/workorders/" .. order.id .. "/accept", { token = technician.token, json = {} })
    local remediation = created("/remediations", { token = technician.token,
      json = { workOrderId = order.id, description = "New bulb" } })
    return { reports = report.id, workorders = order.id, workorderId = order.id,
      remediations = remediation.id, users = technician.user.id, code = report.trackingCode,
      files = report.attachments[1].fileId }
  end

  setup(function()
    server = servers.start()
    api = server.api
    sessions = {}
    for role, name in pairs({ owner = "owner", admin = "admin", dispatcher = "dispatcher",
      technician = "tech1", other_technician = "tech2", viewer = "viewer", public = "citizen" }) do
      sessions[role] = api:login(name .. "@riverton.example")
    end
    local member = created("/auth/register", { json = { email = "member@riverton.example",
      password = "Fixxit-demo-2026", fullName = "Mia Member", tenant = "riverton" } })
    server:sql("UPDATE user_tenants SET role = 'member' WHERE user_id = '" .. member.user.id .. "'")
    sessions.member = api:login("member@riverton.example")
    assert.equal("member", sessions.member.user.role)
    stranger = api:login("owner@northgrid.example").token
    things = make_things()
    things["api-keys"] = created("/api-keys", { token = sessions.owner.token,
      json = { name = "meter", scopes = { "reports.read" } } }).id
    things.roles = created("/roles", { token = sessions.owner.token,
      json = { name = "surveyor", permissions = { "reports.read" } } }).id
    created("/script-secrets/billing", { token = sessions.owner.token, json = { value = "x" } }, "put")
    created("/scripts/draft/rules/a.lua", { token = sessions.owner.token, json = { content = "" } }, "put")
    created("/scripts/publish", { token = sessions.owner.token, json = { message = "first" } })
    things.workspaces = sessions.owner.user.tenant.id
    things.runs, things.tests = server:sql("SELECT UUID(), UUID()"):match("(%S+)%s+(%S+)")
    server:sql(("INSERT INTO script_runs (id, tenant_id, file, hook, status, started_at, cpu_us, "
      .. "wall_us, memory_bytes, calls) VALUES ('%s', '%s', 'a.lua', 'h', 'ok', NOW(3), 1, 1, 1, 0)")
      :format(things.runs, things.workspaces))
    server:sql(("INSERT INTO script_trials (id, tenant_id, request) VALUES ('%s', '%s', '{}')")
      :format(things.tests, things.workspaces))
    things.roleId = things.roles
    things.userId, things.invitationId = things.users, UNKNOWN
    things.sessions = api:get("/auth/sessions", { token = sessions.owner.token }).json.data[1].id
    things["export-data"] = api:post("/users/export-data",
      { token = sessions.owner.token }).json.data.id
    things.notifications = UNTOLD
    server:sql("INSERT INTO notifications (id, user_id, tenant_id, type, title, message) VALUES ('"
      .. UNTOLD .. "', '" .. sessions.owner.user.id .. "', '" .. things.workspaces .. "', 't.x', 'x', '')")
    local code, text = server:command("routes")
    assert.equal(0, code, text)
    routes = {}
    for method, path in text:gmatch("(%u+) +(/%S*)") do
      routes[#routes + 1] = { method = method, path = path, name = method .. " " .. path }
    end
    assert.is_true(#routes > 50)
  end)

  teardown(function()
    server:stop()
  end)

  -- Input that no route takes, so that passing the door changes nothing.
  local function knock(route, token, key)
    local path = route.path
    if key then -- in the workspace of its own
      path = path:gsub("/workspaces/:id", "/workspaces/" .. things.workspaces)
    end
    path = path:gsub("[:*]%w+", UNKNOWN)
    local takes_body = route.method == "POST" or route.method == "PUT"
    local method = route.name == "GET /events" and "HEAD" or route.method -- no stream to wait for
    return send(method, path, { token = token, json = takes_body and {} or nil,
      headers = { ["x-api-key"] = key, ["content-type"] = takes_body and "text/none" or nil,
        ["if-match"] = route.method == "DELETE" and '"none"' or nil } })
  end

  it("is written down for every route", function()
    local known = {}
    for _, route in ipairs(routes) do
      known[route.name] = true
      assert.truthy(DOORS[route.name], "no expectation for " .. route.name)
    end
    for name in pairs(DOORS) do
      assert.truthy(known[name], "no such route: " .. name)
    end
  end)

  it("goes by role at every door", function()
    for _, route in ipairs(routes) do
      local allowed = DOORS[route.name]
      local answer = knock(route, nil)
      if allowed == ANYBODY then
        assert.not_equal(403, answer.status, route.name)
        assert.is_true(answer.status < 500, route.name .. ": " .. answer.body)
        allowed = SIGNED_IN
      else
        assert.equal(401, answer.status, "nobody: " .. route.name)
        assert.equal("UNAUTHORIZED", answer.json.error.code)
      end
      for _, role in ipairs(ROLES) do
        answer = knock(route, sessions[role].token)
        local what = role .. ": " .. route.name .. ": " .. answer.status .. " " .. answer.body
        if (" " .. allowed .. " "):find(" " .. role .. " ", 1, true) then
          assert.is_true(answer.status ~= 401 and answer.status ~= 403 and answer.status < 500, what)
        else
          assert.equal(403, answer.status, what)
          assert.equal("FORBIDDEN", answer.json.error.code)
        end
      end
    end
  end)

  it("by an API key goes by its scopes, and never to the account of its owner", function()
    local key = created("/api-keys", { token = sessions.owner.token,
      json = { name = "narrow", scopes = { "analytics.read" } } }).key
    for _, route in ipairs(routes) do
      if DOORS[route.name] ~= ANYBODY then
        local answer = knock(route, nil, key)
        local what = route.name .. ": " .. answer.status .. " " .. answer.body
        if KEY_DOORS[route.name] then
          assert.is_true(answer.status ~= 401 and answer.status ~= 403 and answer.status < 500, what)
        else
          assert.equal(403, answer.status, what)
        end
      end
    end
  end)

  -- The path with the id of Riverton's own thing.
  local function path_of(route)
    local kind = route.path:match("/(%l+)/:%w+") == "thumbnail" and "files"
      or route.path:match("/([%l-]+)/:")
    local parameter = route.path:match(":(%w+)")
    assert(NAMED[parameter] or things[parameter] or things[kind], route.path)
    return (route.path:gsub(":(%w+)", function(name)
      return NAMED[name] or things[name] or things[kind]
    end))
  end

  it("of another tenant's owner ends at 404, whatever is wanted with whichever id", function()
    local walked = 0
    for _, route in ipairs(routes) do
      if route.path:find(":", 1, true) then
        local body = BODIES[route.name]
        if route.name == "PUT /api/v1/workorders/:id/assign" then
          local me = api:get("/users/me", { token = stranger }).json.data
          body = { userId = me.id }
        end
        local options = { token = stranger, json = body ~= PICTURES and body or nil }
        if body == PICTURES then
          options.multipart = { { "before", pictures.jpeg(64, 64), filename = "a.jpg" } }
        end
        local answer = send(route.method, path_of(route), options)
        local status, code = unpack(TOLD[route.name] or { 404, "NOT_FOUND" })
        assert.equal(status, answer.status, route.name .. ": " .. answer.body)
        assert.equal(code, answer.json.error.code)
        walked = walked + 1
      end
    end
    assert.is_true(walked > 20)
  end)

  it("of another tenant's key, and of its public, ends before anything is seen", function()
    local scopes = {}
    for _, permission in ipairs(api:get("/permissions", { token = stranger }).json.data) do
      scopes[#scopes + 1] = permission.held and permission.name or nil
    end
    local key = created("/api-keys", { token = stranger, json = { name = "wide", scopes = scopes } }).key
    local citizen = created("/auth/register", { json = { email = "nina@northgrid.example",
      password = "Hjkl-4242-uiop", fullName = "Nina North", tenant = "northgrid" } }).accessToken
    for _, route in ipairs(routes) do
      if route.path:find(":", 1, true) then
        local body = BODIES[route.name]
        body = body ~= PICTURES and body or nil
        for what, options in pairs({ ["a key"] = { headers = { ["x-api-key"] = key }, json = body },
          ["somebody"] = { token = citizen, json = body } }) do
          local answer = send(route.method, path_of(route), options)
          local needs_a_body = answer.status == 400 and body == nil
          assert.is_true(answer.status == 403 or answer.status == 404 or needs_a_body,
            what .. ": " .. route.name .. ": " .. answer.status .. " " .. answer.body)
        end
      end
    end
  end)

  it("of another tenant's owner ends also where a body names the id", function()
    local function post(path, json)
      return api:post(path, { token = stranger, json = json })
    end
    assert.equal(404, post("/workorders", { reportId = things.reports }).status)
    local mine = post("/reports", { title = "Their own", category = "other",
      location = { description = "far away" } }).json.data.id
    assert.equal(404, post("/reports/" .. mine .. "/merge", { into = things.reports }).status)
    assert.equal(404, post("/remediations",
      { workOrderId = things.workorders, description = "New bulb" }).status)
    assert.equal(403, post("/users/switch-tenant",
      { tenantId = sessions.owner.user.tenant.id }).status)
    for kind, id in pairs({ report = things.reports, workorder = things.workorders,
      remediation = things.remediations }) do
      assert.equal(404, api:post("/files/upload", { token = stranger, multipart = {
        { "parentType", kind }, { "parentId", id },
        { "file", pictures.jpeg(64, 64), filename = "a.jpg" } } }).status, kind)
    end
    local order = post("/workorders", { title = "Their own" }).json.data.id
    local team = api:get("/teams", { token = sessions.dispatcher.token }).json.data[1].id
    for _, body in ipairs({ { userId = things.users }, { teamId = team } }) do
      local answer = api:put("/workorders/" .. order .. "/assign", { token = stranger, json = body })
      assert.equal(400, answer.status, answer.body)
    end
    for _, path in ipairs({ "/reports?limit=100", "/workorders?limit=100", "/users?limit=100",
      "/users/search?q=t", "/teams", "/reports/nearby?lat=51.45&lng=-2.59", "/roles",
      "/api-keys?limit=100", "/workspaces?limit=100", "/users/tenants", "/users/activity?limit=100",
      "/auth/sessions" }) do
      local answer = api:get(path, { token = stranger })
      assert.equal(200, answer.status, path)
      for _, id in pairs(things) do
        assert.is_nil(answer.body:find(id, 1, true), path)
      end
    end
    -- What a query names is found among their own things: so nothing is.
    for _, path in ipairs({ "/reports?reporter=" .. things.users, "/reports?assignee=" .. things.users,
      "/workorders?assignee=" .. things.users, "/workorders?team=" .. team,
      "/workorders?reportId=" .. things.reports }) do
      local answer = api:get(path, { token = stranger })
      assert.equal(200, answer.status, path .. " " .. answer.body)
      assert.same({}, answer.json.data, path)
    end
    assert.equal(400, api:get("/users?role=surveyor", { token = stranger }).status) -- none of theirs
    assert.equal(200, api:get("/users?role=surveyor", { token = sessions.owner.token }).status)
    for kind, id in pairs({ report = things.reports, workorder = things.workorders }) do
      local answer = api:get("/realtime/snapshot?topic=" .. kind .. ":" .. id, { token = stranger })
      assert.is_true(answer.status == 403 or answer.status == 404, kind .. " " .. answer.body)
    end
    local me = api:get("/users/me", { token = stranger, tenant = "riverton" }).json.data
    assert.equal("northgrid", me.tenant.slug) -- the token's tenant, whatever a header says
  end)

  it("of one object: 404 for who may not see it, 403 for who may not change it", function()
    local report, order = "/reports/" .. things.reports, "/workorders/" .. things.workorders
    local cases = {
      -- method, path, body, role = status
      { "GET", report, nil, { viewer = 200, technician = 200, member = 200, public = 404 } },
      { "PUT", report, { title = "changed" }, { viewer = 403, technician = 403, member = 403, public = 404 } },
      { "DELETE", report, nil, { dispatcher = 403, viewer = 403, member = 403, public = 404 } },
      { "GET", order, nil, { viewer = 200, technician = 200, other_technician = 404 } },
      { "PUT", order .. "/start", {}, { other_technician = 404 } },
      { "PUT", order .. "/accept", {}, { dispatcher = 403, owner = 403 } },
      { "GET", order .. "/history", nil, { viewer = 200, other_technician = 404 } },
      { "GET", "/remediations/" .. things.workorders, nil, { viewer = 200, other_technician = 404 } },
      { "PUT", "/remediations/" .. things.remediations, { description = "changed" },
        { owner = 403, dispatcher = 403, other_technician = 404, technician = 200 } },
      { "GET", "/files/" .. things.files, nil, { viewer = 200, member = 200, public = 404 } },
      { "DELETE", "/files/" .. things.files, nil, { viewer = 403, member = 403, public = 404 } },
    }
    for _, case in ipairs(cases) do
      for role, status in pairs(case[4]) do
        local answer = api:request(case[1], case[2], { token = sessions[role].token, json = case[3] })
        assert.equal(status, answer.status, table.concat({ role, case[1], case[2] }, " "))
      end
    end
    assert.equal(404, api:get("/files/" .. things.files).status)
    assert.equal(404, api:get("/files/" .. things.files .. "?track=AAAAAAAA").status)
    assert.equal(200, api:get("/files/" .. things.files .. "?track=" .. things.code).status)
  end)

  it("to a reporter's contact is for those who read reports, in the detail", function()
    local function shows_contact(path, options)
      local answer = api:get(path, options)
      assert.equal(200, answer.status, answer.body)
      return answer.body:find("rita@contact.example", 1, true) ~= nil
        or answer.body:find("Rita Reporter", 1, true) ~= nil
    end
    assert.is_true(shows_contact("/reports/" .. things.reports, { token = sessions.dispatcher.token }))
    assert.is_false(shows_contact("/reports?limit=100", { token = sessions.owner.token }))
    assert.is_false(shows_contact("/workorders/" .. things.workorders, { token = sessions.owner.token }))
    for _, path in ipairs({ "/reports/track/" .. things.code,
      "/reports/nearby?lat=51.45&lng=-2.59" }) do
      assert.is_false(shows_contact(path, { tenant = "riverton" }))
      assert.is_false(shows_contact(path, { token = sessions.owner.token }))
    end
    local twin = api:post("/reports", { tenant = "riverton", json = { title = "Broken lamp",
      category = "street_light", location = { latitude = 51.45, longitude = -2.59 } } })
    assert.equal(things.reports, twin.json.meta.possibleDuplicates[1].id)
    assert.is_nil(twin.body:find("contact.example", 1, true))
    assert.is_nil(twin.body:find(things.code, 1, true))
    assert.is_nil(server:log_text():find("contact.example", 1, true))
    assert.equal(0, tonumber(server:sql(
      "SELECT COUNT(*) FROM event_log WHERE payload LIKE '%contact.example%'")))
  end)

  it("to reasons: a rejection's is for the reporter, the others are for staff", function()
    local citizen = sessions.public.token
    local function made()
      return created("/reports", { token = citizen, json = { title = "Loose slab",
        category = "other", location = { description = "at the church" } } })
    end
    local function move(report, status, reason)
      assert.equal(200, api:put("/reports/" .. report.id .. "/status",
        { token = sessions.dispatcher.token, json = { status = status, reason = reason } }).status)
    end
    local report = made()
    move(report, "acknowledged", "the caller is known to us")
    move(report, "rejected", "this is private ground")
    for _, answer in ipairs({ api:get("/reports/track/" .. report.trackingCode),
      api:get("/reports/" .. report.id, { token = citizen }) }) do
      assert.is_nil(answer.body:find("known to us", 1, true))
      assert.truthy(answer.body:find("this is private ground", 1, true))
      assert.is_nil(answer.body:find(sessions.dispatcher.user.id, 1, true))
    end
    assert.truthy(api:get("/reports/" .. report.id, { token = sessions.viewer.token })
      .body:find("known to us", 1, true))
  end)

  it("is not to be had by naming it in a body", function()
    local mine = created("/auth/register", { json = { email = "climber@x.example",
      password = "Hjkl-4242-uiop", fullName = "Cleo Climber", tenant = "riverton",
      userType = "admin", role = "owner", platformAdmin = true, platform_admin = true,
      permissions = { "users.read" }, status = "banned", emailVerified = true, id = UNKNOWN } }).user
    assert.same({ "public", "public", false, "active", false, 0 }, { mine.userType, mine.role,
      mine.platformAdmin, mine.status, mine.emailVerified, #mine.permissions })
    assert.not_equal(UNKNOWN, mine.id)
    api:put("/users/me", { token = sessions.public.token, json = { firstName = "Cem",
      userType = "admin", role = "owner", platformAdmin = true, email = "owner@riverton.example" } })
    local me = api:get("/users/me", { token = sessions.public.token }).json.data
    assert.same({ "public", "public", false, "citizen@riverton.example" },
      { me.userType, me.role, me.platformAdmin, me.email })
    local report = created("/reports", { token = sessions.public.token, json = {
      title = "Loose slab", category = "other", location = { description = "at the church" },
      id = UNKNOWN, tenantId = UNKNOWN, status = "closed", version = 99, trackingCode = "AAAAAAAA",
      reporterId = sessions.owner.user.id, createdAt = "2001-01-01T00:00:00Z",
      reporter = { userId = sessions.owner.user.id } } })
    assert.same({ "submitted", 1, sessions.public.user.id },
      { report.status, report.version, report.reporter.userId })
    assert.is_true(report.id ~= UNKNOWN and report.trackingCode ~= "AAAAAAAA")
    assert.is_nil(report.createdAt:find("^2001"))
  end)

  it("is not to be had by naming it where people administer either", function()
    local owner, foreign = sessions.owner, api:get("/users/me", { token = stranger }).json.data
    local more = { id = UNKNOWN, tenantId = foreign.tenant.id, tenant_id = foreign.tenant.id,
      userId = foreign.id, user_id = foreign.id, ownerId = foreign.id, invitedBy = foreign.id,
      builtIn = true, platformAdmin = true, isActive = false, key = "fxk_mine", prefix = "fxk_mine",
      tier = "enterprise", createdAt = "2001-01-01T00:00:00Z", token = "mine" }
    local function with(body)
      for name, value in pairs(more) do
        body[name] = body[name] == nil and value or body[name]
      end
      return { token = owner.token, json = body }
    end
    local key = created("/api-keys", with({ name = "given", scopes = { "reports.read" } }))
    assert.same({ owner.user.id, { "reports.read" } }, { key.owner.id, key.scopes })
    assert.is_true(key.id ~= UNKNOWN and not key.key:find("mine", 1, true))
    local role = created("/roles", with({ name = "given", permissions = { "reports.read" } }))
    assert.same({ false, { "reports.read" } }, { role.builtIn, role.permissions })
    local invitation = created("/workspaces/" .. things.workspaces .. "/members/invite",
      with({ email = "given@x.example", role = "viewer" }))
    assert.same({ owner.user.id, "viewer" }, { invitation.invitedBy, invitation.role })
    local workspace = created("/workspaces", with({ name = "Given" }))
    assert.same({ "owner", server:sql("SELECT subscription_tier FROM tenants WHERE id = '"
      .. workspace.id .. "'"):match("%a+") }, { workspace.role, workspace.tier })
    for _, made in ipairs({ key, role, invitation, workspace }) do
      assert.is_true(made.id ~= UNKNOWN and not made.createdAt:find("^2001"), made.id)
    end
    for _, made in ipairs({ "api_keys WHERE name = 'given'", "roles WHERE name = 'given'",
      "invitations WHERE email = 'given@x.example'" }) do
      assert.equal(owner.user.tenant.id,
        server:sql("SELECT tenant_id FROM " .. made):match("[%x-]+"), made)
    end
    local person = things.users
    local changed = api:put("/users/" .. person .. "/status", with({ status = "active",
      role = "owner", permissions = { "workspaces.manage" }, email = "mine@x.example" })).json.data
    assert.same({ person, "technician", "tech1@riverton.example" },
      { changed.id, changed.role, changed.email })
  end)
end)
