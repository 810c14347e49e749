-- Roles of a tenant's own and single permissions: what they give and take with the next request,
-- and that nobody gets by them, or gives, what they do not have.
local expect = require("tests.support.expect")
local servers = require("tests.support.server")

local ok, refused = expect.ok, expect.refused
local FEW = { "users.read" }
local PASSWORD = "Fixxit-demo-2026"

describe("roles", function()
  local server, api, owner, owner_id, admin, admin_id, stranger

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 2, FIXXIT_LIMITS_SCALE = 10000 } })
    api = server.api
    local session = api:login("owner@riverton.example")
    owner, owner_id = session.token, session.user.id
    session = api:login("admin@riverton.example")
    admin, admin_id = session.token, session.user.id
    stranger = api:login("owner@northgrid.example").token
  end)

  teardown(function()
    server:stop()
  end)

  local count = 0

  local function newcomer(role)
    count = count + 1
    local person = api:post("/auth/register", { json = { email = ("r%d@x.example"):format(count),
      password = PASSWORD, fullName = "Robin Role", tenant = "riverton" } }).json.data
    if role then
      assert.equal(200, api:put("/admin/users/" .. person.user.id .. "/role",
        { token = owner, json = { role = role } }).status)
    end
    return person.user.id, person.accessToken
  end

  local function call(method, path, token, body)
    return api:request(method, path, { token = token, json = body })
  end

  local function new_role(permissions, token)
    count = count + 1
    return ok(call("POST", "/roles", token or owner,
      { name = "role " .. count, permissions = permissions }), 201)
  end

  local function may_list_users(token)
    local status = call("GET", "/users", token).status
    assert.is_true(status == 200 or status == 403, tostring(status))
    return status == 200
  end

  it("are listed: the built-in ones, which stay as they are, and the tenant's", function()
    local mine = new_role({ "users.read", "reports.read" })
    assert.same({ "reports.read", "users.read" }, mine.permissions)
    local names = {}
    for _, role in ipairs(ok(call("GET", "/roles", admin))) do
      names[#names + 1] = role.name
      assert.equal(role.id == role.name, role.builtIn)
    end
    assert.same({ "owner", "admin", "dispatcher", "technician", "member", "viewer", "public" },
      { unpack(names, 1, 7) })
    assert.truthy(table.concat(names, ","):find(mine.name, 1, true))
    refused(403, call("PUT", "/roles/viewer", owner, { permissions = { "users.read" } }))
    refused(403, call("DELETE", "/roles/viewer", owner))
    for _, role in ipairs(ok(call("GET", "/roles", stranger))) do
      assert.is_true(role.builtIn)
    end
  end)

  it("are made of the catalogue, which tells what each permission is for", function()
    local found = {}
    for _, permission in ipairs(ok(call("GET", "/permissions", admin))) do
      assert.is_true(#permission.description > 5, permission.name)
      found[permission.name] = permission
    end
    assert.is_true(found["reports.update"].held)
    assert.is_false(found["workspaces.manage"].held)
    assert.is_false(found["system.manage"].held)
    local problem = refused(400, call("POST", "/roles", owner,
      { name = "odd", permissions = { "users.read", "users.fly" } }))
    assert.equal("permissions[1]", problem.details[1].field)
    for _, body in ipairs({ {}, { name = "x" }, { name = "", permissions = FEW },
      { name = "x", permissions = "users.read" }, { name = ("x"):rep(64), permissions = FEW } }) do
      refused(400, call("POST", "/roles", owner, body))
    end
    for _, name in ipairs({ "owner", "Owner", "OWNER " }) do
      refused(409, call("POST", "/roles", owner, { name = name, permissions = FEW }))
    end
    local mine = new_role(FEW)
    refused(409, call("POST", "/roles", owner, { name = mine.name, permissions = FEW }))
  end)

  it("are read one by one, and changed in the version that was read", function()
    local mine = new_role(FEW)
    local path = "/roles/" .. mine.id
    local answer = call("GET", path, owner)
    assert.same(mine, ok(answer))
    local function with(header, method, body)
      return api:request(method, path, { token = owner, json = body,
        headers = { [header] = answer.headers.etag } })
    end
    assert.equal(304, with("if-none-match", "GET").status)
    ok(with("if-match", "PUT", { description = "Looks" }))
    assert.equal("PRECONDITION_FAILED", refused(412, with("if-match", "PUT", { name = "late" })).code)
    refused(412, with("if-match", "DELETE"))
    assert.equal("Looks", ok(with("if-none-match", "GET")).description)
    assert.is_true(ok(call("GET", "/roles/dispatcher", owner)).builtIn)
    for _, id in ipairs({ "emperor", owner_id, "Owner", mine.name }) do
      refused(404, call("GET", "/roles/" .. id:gsub(" ", "%%20"), owner))
    end
  end)

  it("give and take with the very next request", function()
    local id, token = newcomer()
    local mine = new_role({ "users.read" })
    assert.is_false(may_list_users(token))
    local member = ok(call("POST", "/users/" .. id .. "/roles/" .. mine.id, admin))
    assert.same({ { id = mine.id, name = mine.name } }, member.roles)
    ok(call("POST", "/users/" .. id .. "/roles/" .. mine.id, admin))
    assert.is_true(may_list_users(token))
    assert.same({ "users.read" }, ok(call("GET", "/users/me", token)).permissions)
    ok(call("PUT", "/roles/" .. mine.id, admin, { permissions = { "reports.read" } }))
    assert.is_false(may_list_users(token))
    ok(call("PUT", "/roles/" .. mine.id, admin, { permissions = { "users.read" } }))
    assert.is_true(may_list_users(token))
    ok(call("DELETE", "/users/" .. id .. "/roles/" .. mine.id, admin))
    refused(404, call("DELETE", "/users/" .. id .. "/roles/" .. mine.id, admin))
    assert.is_false(may_list_users(token))
    ok(call("POST", "/users/" .. id .. "/roles/" .. mine.id, admin))
    ok(call("DELETE", "/roles/" .. mine.id, admin))
    assert.is_false(may_list_users(token))
    refused(404, call("PUT", "/roles/" .. mine.id, admin, { name = "late" }))
  end)

  it("can be the one that a member has, under its present name", function()
    local id, token = newcomer()
    local mine = new_role({ "users.read" })
    ok(call("PUT", "/admin/users/" .. id .. "/role", admin, { role = mine.name }))
    assert.is_true(may_list_users(token))
    ok(call("PUT", "/roles/" .. mine.id, admin, { name = "scout " .. count }))
    assert.is_true(may_list_users(token))
    assert.equal("scout " .. count, ok(call("GET", "/users/" .. id, admin)).role)
    refused(409, call("DELETE", "/roles/" .. mine.id, admin))
    ok(call("PUT", "/admin/users/" .. id .. "/role", admin, { role = "public" }))
    assert.is_false(may_list_users(token))
    ok(call("DELETE", "/roles/" .. mine.id, admin))
  end)

  it("are completed by single permissions", function()
    local id, token = newcomer("dispatcher")
    local path = "/users/" .. id .. "/permissions"
    local member = ok(call("PUT", path, admin, { remove = { "users.read" }, add = { "audit.read" } }))
    assert.same({ ["users.read"] = false, ["audit.read"] = true }, member.permissionChanges)
    assert.is_false(may_list_users(token))
    ok(call("PUT", path, admin, { clear = { "users.read" } }))
    assert.is_true(may_list_users(token))
    refused(400, call("PUT", path, admin, { add = { "users.read" }, remove = { "users.read" } }))
    assert.equal("add[0]",
      refused(400, call("PUT", path, admin, { add = { "x.y" } })).details[1].field)
  end)

  it("let nobody climb: not by a role, an edit of one, a permission or another's hands", function()
    local id = newcomer("viewer")
    refused(403, call("PUT", "/admin/users/" .. id .. "/role", admin, { role = "owner" }))
    refused(403, call("PUT", "/admin/users/" .. admin_id .. "/role", admin, { role = "owner" }))
    for _, permission in ipairs({ "workspaces.manage", "system.manage" }) do
      local give = { permissions = { permission }, name = "climb" }
      refused(403, call("POST", "/roles", admin, give))
      for _, person in ipairs({ id, admin_id }) do
        refused(403, call("PUT", "/users/" .. person .. "/permissions", admin,
          { add = { permission } }))
      end
    end
    refused(403, call("POST", "/roles", owner, { permissions = { "system.jobs" }, name = "root" }))
    local strong, weak = new_role({ "workspaces.manage" }), new_role({ "users.read" })
    refused(403, call("POST", "/users/" .. admin_id .. "/roles/" .. strong.id, admin))
    refused(403, call("PUT", "/admin/users/" .. id .. "/role", admin, { role = strong.name }))
    refused(403, call("PUT", "/roles/" .. strong.id, admin, { permissions = FEW }))
    refused(403, call("DELETE", "/roles/" .. strong.id, admin))
    ok(call("POST", "/users/" .. admin_id .. "/roles/" .. weak.id, owner))
    refused(403, call("PUT", "/roles/" .. weak.id, admin,
      { permissions = { "users.read", "workspaces.manage" } }))
    ok(call("DELETE", "/users/" .. admin_id .. "/roles/" .. weak.id, owner))
    -- What was taken from one does not come back by one's own hand.
    local helper = newcomer("admin")
    ok(call("PUT", "/users/" .. admin_id .. "/permissions", owner, { remove = { "audit.read" } }))
    refused(403, call("PUT", "/users/" .. admin_id .. "/permissions", admin,
      { clear = { "audit.read" } }))
    refused(403, call("PUT", "/users/" .. id .. "/permissions", admin, { add = { "audit.read" } }))
    refused(403, call("PUT", "/admin/users/" .. id .. "/role", admin, { role = "admin" }))
    refused(403, call("DELETE", "/users/" .. helper, admin)) -- who may do more by now
    ok(call("PUT", "/users/" .. admin_id .. "/permissions", owner, { clear = { "audit.read" } }))
    assert.equal("viewer", ok(call("GET", "/users/" .. id, admin)).role)
  end)

  it("end at the tenant's border", function()
    local id, token = newcomer()
    local mine = new_role({ "users.read" })
    local theirs = ok(call("POST", "/roles", stranger, { name = mine.name,
      permissions = { "users.read", "reports.update" } }), 201)
    refused(404, call("POST", "/users/" .. id .. "/roles/" .. theirs.id, owner))
    refused(404, call("POST", "/users/" .. id .. "/roles/" .. mine.id, stranger))
    refused(404, call("PUT", "/roles/" .. mine.id, stranger, { permissions = FEW }))
    refused(404, call("DELETE", "/roles/" .. mine.id, stranger))
    ok(call("PUT", "/admin/users/" .. id .. "/role", owner, { role = mine.name }))
    assert.same({ "users.read" }, ok(call("GET", "/users/me", token)).permissions)
  end)

  it("tell the trail who gave what", function()
    local id = newcomer("technician")
    local rows = server:sql(("SELECT new_values FROM audit_logs WHERE resource_id = '%s' "
      .. "AND action = 'user.role'"):format(id))
    assert.truthy(rows:find('"role":"technician"', 1, true), rows)
    local mine = new_role({ "users.read" })
    assert.truthy(server:sql(("SELECT new_values FROM audit_logs WHERE resource_id = '%s' "
      .. "AND action = 'role.create'"):format(mine.id)):find("users.read", 1, true))
  end)
end)
