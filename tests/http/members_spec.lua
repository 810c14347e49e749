-- The tenant's people: who sees them, who decides about them, and what a decision does at once.
local client = require("tests.support.client")
local servers = require("tests.support.server")

local PASSWORD = "Fixxit-demo-2026"
local NAMES = { owner = "owner", admin = "admin", dispatcher = "dispatcher", technician = "tech1",
  viewer = "viewer", public = "citizen" }
local WORKERS, ASKS = 3, 9

describe("members", function()
  local server, api, sessions

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = WORKERS, FIXXIT_LIMITS_SCALE = 10000 } })
    api = server.api
    sessions = {}
    for role, name in pairs(NAMES) do
      sessions[role] = api:login(name .. "@riverton.example")
    end
  end)

  teardown(function()
    server:stop()
  end)

  local count = 0

  -- Somebody new in a tenant, signed in.
  local function newcomer(role, tenant)
    count = count + 1
    local email = ("person%d@x.example"):format(count)
    local answer = api:post("/auth/register", { json = { email = email, password = PASSWORD,
      fullName = "Pat Person" .. count, tenant = tenant or "riverton" } })
    assert.equal(201, answer.status, answer.body)
    local person = answer.json.data
    person.email, person.id, person.token = email, person.user.id, person.accessToken
    if role then
      local given = api:put("/admin/users/" .. person.id .. "/role",
        { token = sessions.owner.token, json = { role = role } })
      assert.equal(200, given.status, given.body)
      assert.equal(role, given.json.data.role)
    end
    return person
  end

  local function put_status(person, status, who, more)
    return api:put("/users/" .. person.id .. "/status", { token = (who or sessions.admin).token,
      json = { status = status, reason = "because" }, headers = more })
  end

  -- What every process of the server answers to a token.
  local function all_answer(status, token)
    local statuses = client.times(ASKS, function()
      return api:get("/users/profile", { token = token }).status
    end)
    for _, answered in ipairs(statuses) do
      assert.equal(status, answered)
    end
  end

  local function audit_of(id, action)
    return tonumber(server:sql(("SELECT COUNT(*) FROM audit_logs WHERE resource_id = '%s' "
      .. "AND action = '%s'"):format(id, action)))
  end

  it("are listed by filter and order, with what is known of them", function()
    local person = newcomer("viewer")
    local function list(query)
      local answer = api:get("/users?limit=100" .. query, { token = sessions.dispatcher.token })
      assert.equal(200, answer.status, answer.body)
      return answer.json.data
    end
    for _, member in ipairs(list("&role=viewer,admin")) do
      assert.is_true(member.role == "viewer" or member.role == "admin")
    end
    local emails = {}
    for i, member in ipairs(list("&sort=-email")) do
      emails[i] = member.email
    end
    local sorted = { unpack(emails) }
    table.sort(sorted, function(a, b) return a > b end)
    assert.same(sorted, emails)
    assert.equal(person.id, list("&q=" .. person.email)[1].id)
    assert.equal(0, #list("&status=banned&q=" .. person.email))
    assert.equal(400, api:get("/users?status=asleep", { token = sessions.admin.token }).status)
    local unknown = api:get("/users?role=admin,boss", { token = sessions.admin.token })
    assert.equal(400, unknown.status, unknown.body)
    assert.equal("role[1]", unknown.json.error.details[1].field)
    assert.equal(400, api:get("/users?sort=phone", { token = sessions.admin.token }).status)
    local found = api:get("/users/search?q=" .. person.email, { token = sessions.admin.token })
    assert.equal(person.id, found.json.data[1].id)
    local one = api:get("/users/" .. person.id, { token = sessions.admin.token }).json.data
    assert.same({ "viewer", "active", person.email }, { one.role, one.status, one.email })
    assert.truthy(one.permissions[1])
    assert.equal(404, api:get("/users/" .. api:login("owner@northgrid.example").user.id,
      { token = sessions.owner.token }).status)
    assert.equal(404, api:get("/users/nonsense", { token = sessions.owner.token }).status)
  end)

  it("who are banned are out at once, in every process, and may come back", function()
    for _, status in ipairs({ "banned", "inactive" }) do
      local person = newcomer("technician")
      all_answer(200, person.token)
      local answer = put_status(person, status)
      assert.equal(200, answer.status, answer.body)
      assert.equal(status, answer.json.data.status)
      all_answer(401, person.token)
      assert.equal(401, api:post("/auth/refresh",
        { json = { refreshToken = person.refreshToken } }).status)
      assert.equal(403, api:post("/auth/login",
        { json = { email = person.email, password = PASSWORD } }).status)
      assert.equal(200, put_status(person, "active").status)
      assert.equal(401, api:get("/users/profile", { token = person.token }).status)
      assert.equal("technician", api:login(person.email).user.role)
      assert.equal(2, audit_of(person.id, "user.status"))
    end
  end)

  it("who are banned in one tenant still act in another", function()
    local person = newcomer("member")
    server:sql(("INSERT INTO user_tenants (id, user_id, tenant_id, role) SELECT UUID(), '%s', id, "
      .. "'viewer' FROM tenants WHERE slug = 'northgrid'"):format(person.id))
    assert.equal(200, put_status(person, "banned").status)
    assert.equal(401, api:get("/users/profile", { token = person.token }).status)
    local there = api:login(person.email)
    assert.equal("northgrid", there.user.tenant.slug)
    assert.equal(403, api:post("/users/switch-tenant", { token = there.token,
      json = { tenantId = sessions.owner.user.tenant.id } }).status)
    local removed = api:delete("/users/" .. person.id, { token = sessions.admin.token })
    assert.equal(200, removed.status, removed.body)
    assert.equal(200, api:get("/users/profile", { token = there.token }).status)
  end)

  it("who are removed are gone, with their account", function()
    local person = newcomer("member")
    assert.equal(200, api:delete("/users/" .. person.id, { token = sessions.admin.token }).status)
    all_answer(401, person.token)
    assert.equal(404, api:get("/users/" .. person.id, { token = sessions.admin.token }).status)
    assert.equal(404, api:delete("/users/" .. person.id, { token = sessions.admin.token }).status)
    assert.equal(401, api:post("/auth/login",
      { json = { email = person.email, password = PASSWORD } }).status)
    assert.equal(1, audit_of(person.id, "user.delete"))
  end)

  it("are not to be touched by who may do less, nor by themselves", function()
    for _, target in ipairs({ "owner" }) do
      local id = sessions[target].user.id
      assert.equal(403, api:put("/users/" .. id .. "/status", { token = sessions.admin.token,
        json = { status = "banned" } }).status)
      assert.equal(403, api:delete("/users/" .. id, { token = sessions.admin.token }).status)
      assert.equal(403, api:put("/admin/users/" .. id .. "/role", { token = sessions.admin.token,
        json = { role = "public" } }).status)
      assert.equal(403, api:put("/users/" .. id .. "/permissions", { token = sessions.admin.token,
        json = { remove = { "workspaces.manage" } } }).status)
    end
    local me = sessions.admin.user.id
    assert.equal(409, api:put("/users/" .. me .. "/status", { token = sessions.admin.token,
      json = { status = "banned" } }).status)
    assert.equal(409, api:delete("/users/" .. me, { token = sessions.admin.token }).status)
    all_answer(200, sessions.owner.token)
  end)

  it("never lose their last owner, not even to each other at once", function()
    local owner = sessions.owner
    local demoted = api:put("/admin/users/" .. owner.user.id .. "/role",
      { token = owner.token, json = { role = "viewer" } })
    assert.equal(409, demoted.status, demoted.body)
    local second = newcomer("owner")
    second = api:login(second.email)
    local answers = client.at_once({
      function() return put_status({ id = second.user.id }, "banned", owner).status end,
      function() return put_status({ id = owner.user.id }, "banned", second).status end,
    })
    local left = tonumber(server:sql("SELECT COUNT(*) FROM user_tenants m JOIN tenants t "
      .. "ON t.id = m.tenant_id WHERE t.slug = 'riverton' AND m.role = 'owner' AND m.is_active"))
    assert.equal(1, left, table.concat(answers, " "))
    local survivor = answers[1] == 200 and owner or second
    local other = answers[1] == 200 and second or owner
    assert.equal(200, put_status({ id = other.user.id }, "active", survivor).status)
    sessions.owner = api:login("owner@riverton.example")
    assert.equal(200, api:delete("/users/" .. second.user.id, { token = sessions.owner.token }).status)
  end)

  it("are changed in the version that was read, and with input that makes sense", function()
    local person = newcomer("viewer")
    local path = "/users/" .. person.id
    local etag = api:get(path, { token = sessions.admin.token }).headers.etag
    assert.equal(200, put_status(person, "inactive", nil, { ["if-match"] = etag }).status)
    assert.equal(412, put_status(person, "active", nil, { ["if-match"] = etag }).status)
    for _, body in ipairs({ {}, { status = "gone" }, { status = 7 },
      { status = "banned", reason = ("x"):rep(501) } }) do
      local answer = api:put(path .. "/status", { token = sessions.admin.token, json = body })
      assert.equal(400, answer.status, answer.body)
    end
    local answer = api:put("/admin" .. path .. "/role", { token = sessions.admin.token,
      json = { role = "emperor" } })
    assert.equal("role", answer.json.error.details[1].field)
  end)
end)
