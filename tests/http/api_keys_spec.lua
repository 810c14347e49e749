-- API keys: what they are good for, from where, until when, and what they never become.
local client = require("tests.support.client")
local expect = require("tests.support.expect")
local servers = require("tests.support.server")

local ok, refused = expect.ok, expect.refused
local PASSWORD = "Fixxit-demo-2026"
local WRONG_PER_MINUTE, SCALE = 1, 100 -- of settings that are as low as they can be
local ASKS = 9
local PER_DAY = 1 -- what was agreed with Northgrid, of the same scale
local UNKNOWN = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"

describe("an API key", function()
  local server, api, owner, admin, count

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 3, FIXXIT_LIMITS_SCALE = SCALE,
      FIXXIT_LIMITS_WRONG_KEY_PER_MINUTE = WRONG_PER_MINUTE } })
    api = server.api
    server:sql(([[UPDATE tenants SET api_limits = '{"requests":%d,"periodSeconds":86400}'
      WHERE slug = 'northgrid']]):format(PER_DAY))
    owner = api:login("owner@riverton.example").token
    admin = api:login("admin@riverton.example").token
    count = 0
  end)

  teardown(function()
    server:stop()
  end)

  local function call(method, path, token, body)
    return api:request(method, path, { token = token, json = body })
  end

  local function by_key(key, method, path, body)
    return api:request(method, path, { headers = { ["x-api-key"] = key }, json = body })
  end

  local function new_key(scopes, more, token)
    count = count + 1
    local body = { name = "key " .. count, scopes = scopes }
    for name, value in pairs(more or {}) do
      body[name] = value
    end
    return ok(call("POST", "/api-keys", token or admin, body), 201)
  end

  local function new_admin()
    count = count + 1
    local email = ("keeper%d@x.example"):format(count)
    local person = ok(call("POST", "/auth/register", nil, { email = email, password = PASSWORD,
      fullName = "Kim Keeper", tenant = "riverton" }), 201)
    ok(call("PUT", "/admin/users/" .. person.user.id .. "/role", owner, { role = "admin" }))
    return person.user.id, person.accessToken
  end

  local function all_answer(status, key)
    local statuses = client.times(ASKS, function()
      return by_key(key, "GET", "/users?limit=1").status
    end)
    for _, answered in ipairs(statuses) do
      assert.equal(status, answered)
    end
  end

  it("is shown once and kept as a hash", function()
    local answer = call("POST", "/api-keys", admin, { name = "meter", scopes = { "users.read" } })
    local made = ok(answer, 201)
    assert.equal("no-store", answer.headers["cache-control"])
    assert.truthy(made.key:find("^fxk_[%w_-]+$"))
    assert.equal(12, #made.prefix)
    assert.equal(made.prefix, made.key:sub(1, 12))
    assert.is_true(#made.key >= 12 + 43)
    local list = call("GET", "/api-keys?limit=100&sort=name", admin)
    local found
    for _, key in ipairs(ok(list)) do
      found = key.id == made.id and key or found
    end
    assert.same({ "meter", made.prefix, { "users.read" } }, { found.name, found.prefix, found.scopes })
    assert.is_nil(found.key)
    assert.is_nil(list.body:find(made.key, 1, true))
    all_answer(200, made.key)
    for _, name in ipairs({ "api_keys", "audit_logs" }) do
      assert.is_nil(server:sql("SELECT * FROM " .. name):find(made.key:sub(13), 1, true), name)
    end
    assert.is_nil(server:log_text():find(made.key:sub(13), 1, true))
    assert.truthy(server:sql(("SELECT LENGTH(key_hash) FROM api_keys WHERE id = '%s'")
      :format(made.id)):find("64", 1, true))
  end)

  it("does what its scopes say and its owner may, no more", function()
    local key = new_key({ "users.read", "reports.read" }).key
    all_answer(200, key)
    refused(403, by_key(key, "GET", "/roles"))
    refused(403, by_key(key, "POST", "/workorders", { title = "by a key" }))
    assert.same({ "reports.read", "users.read" }, ok(by_key(key, "GET", "/users/me")).permissions)
    local id, token = new_admin()
    local other = new_key({ "users.read" }, nil, token).key
    all_answer(200, other)
    ok(call("PUT", "/users/" .. id .. "/permissions", owner, { remove = { "users.read" } }))
    all_answer(403, other)
    ok(call("PUT", "/users/" .. id .. "/permissions", owner, { clear = { "users.read" } }))
    all_answer(200, other)
  end)

  it("never becomes a session, another key, or its owner", function()
    local key = new_key({ "apikeys.create", "apikeys.update", "roles.assign", "users.update" }).key
    local mine = ok(by_key(key, "GET", "/users/me"))
    for _, case in ipairs({
      { "POST", "/users/switch-tenant", { tenantId = mine.tenant.id } },
      { "POST", "/api-keys", { name = "child", scopes = { "apikeys.create" } } },
      { "POST", "/auth/mfa/setup", {} }, { "GET", "/auth/sessions" },
      { "PUT", "/users/me", { firstName = "Key" } }, { "DELETE", "/users/me" },
      { "POST", "/users/export-data", {} },
      { "DELETE", "/users/delete-account", { password = PASSWORD } },
      { "PUT", "/users/" .. mine.id .. "/permissions", { add = { "roles.assign" } } },
    }) do
      refused(403, by_key(key, unpack(case)))
    end
    local made = new_key({ "apikeys.update" })
    refused(403, by_key(made.key, "POST", "/api-keys/" .. made.id .. "/rotate", {}))
  end)

  it("gets nothing that who makes or changes it does not have", function()
    refused(403, call("POST", "/api-keys", admin, { name = "x", scopes = { "workspaces.manage" } }))
    refused(403, call("POST", "/api-keys", owner, { name = "x", scopes = { "system.jobs" } }))
    local owners = new_key({ "workspaces.manage", "users.read" }, nil, owner)
    refused(403, call("POST", "/api-keys/" .. owners.id .. "/rotate", admin, {}))
    local mine = new_key({ "users.read" })
    refused(403, call("PUT", "/api-keys/" .. mine.id, admin, { scopes = { "workspaces.manage" } }))
    assert.equal("scopes", refused(400, call("PUT", "/api-keys/" .. mine.id, owner,
      { scopes = { "workspaces.manage" } })).details[1].field)
    ok(call("PUT", "/api-keys/" .. mine.id, owner, { scopes = { "reports.read" } }))
    all_answer(403, mine.key)
  end)

  it("is read and changed in the version that was read; its use is no change", function()
    local made = new_key({ "users.read" })
    local path = "/api-keys/" .. made.id
    local function with(header, tag, method, body, more)
      return api:request(method, path .. (more or ""), { token = admin, json = body,
        headers = { [header] = tag } })
    end
    local answer = call("GET", path, admin)
    local first = answer.headers.etag
    assert.same({ made.name, made.prefix }, { ok(answer).name, ok(answer).prefix })
    assert.is_nil(answer.json.data.key)
    assert.equal(304, with("if-none-match", first, "GET").status)
    server:sql(("UPDATE api_keys SET last_used_at = NOW(3) WHERE id = '%s'"):format(made.id))
    ok(with("if-none-match", first, "GET"))
    local second = with("if-match", first, "PUT", { name = "changed" })
    assert.equal("changed", ok(second).name)
    for method, body in pairs({ PUT = { name = "late" }, DELETE = false }) do
      assert.equal("PRECONDITION_FAILED",
        refused(412, with("if-match", first, method, body or nil)).code)
    end
    local third = with("if-match", second.headers.etag, "POST", {}, "/rotate")
    ok(third)
    refused(412, with("if-match", second.headers.etag, "POST", {}, "/rotate"))
    all_answer(200, third.json.data.key)
    ok(with("if-match", third.headers.etag, "DELETE"))
    refused(404, call("GET", path, admin))
    for _, id in ipairs({ "x", UNKNOWN }) do
      refused(404, call("GET", "/api-keys/" .. id, admin))
    end
  end)

  it("has a limit of its own beside its owner's and the other keys'", function()
    local keeper = api:login("owner@northgrid.example").token
    local busy = new_key({ "users.read" }, nil, keeper)
    local quiet = new_key({ "users.read" }, nil, keeper)
    local statuses = { [200] = 0, [429] = 0 }
    for _, status in ipairs(client.times(PER_DAY * SCALE + 3, function()
      return by_key(busy.key, "GET", "/users?limit=1").status
    end)) do
      statuses[status] = statuses[status] + 1
    end
    assert.same({ [200] = PER_DAY * SCALE, [429] = 3 }, statuses)
    local answer = by_key(busy.key, "GET", "/users?limit=1")
    assert.equal("RATE_LIMITED", refused(429, answer).code)
    assert.truthy(tonumber(answer.headers["retry-after"]) > 0)
    all_answer(200, quiet.key)
    ok(call("GET", "/users?limit=1", keeper))
  end)

  it("is refused at once when it is revoked, expired, or its owner banned", function()
    local made = new_key({ "users.read" })
    all_answer(200, made.key)
    ok(call("DELETE", "/api-keys/" .. made.id, admin))
    all_answer(401, made.key)
    refused(404, call("DELETE", "/api-keys/" .. made.id, admin))
    refused(404, call("PUT", "/api-keys/" .. made.id, admin, { name = "late" }))

    local expiring = new_key({ "users.read" }, { expiresAt = "2999-01-01T00:00:00Z" })
    all_answer(200, expiring.key)
    server:sql(("UPDATE api_keys SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE id = '%s'")
      :format(expiring.id))
    ok(call("PUT", "/api-keys/" .. expiring.id, admin, { name = "expired" })) -- so that it is read anew
    all_answer(401, expiring.key)

    local id, token = new_admin()
    local key = new_key({ "users.read" }, nil, token).key
    all_answer(200, key)
    ok(call("PUT", "/users/" .. id .. "/status", owner, { status = "banned" }))
    all_answer(401, key)
    ok(call("PUT", "/users/" .. id .. "/status", owner, { status = "active" }))
    all_answer(200, key)
    ok(call("DELETE", "/users/" .. id, owner))
    all_answer(401, key)
    assert.equal(1, tonumber(server:sql(("SELECT COUNT(*) FROM api_keys WHERE user_id = '%s' "
      .. "AND revoked_at IS NOT NULL"):format(id))))
  end)

  it("is exchanged for another, and works on for as long as was asked", function()
    local made = new_key({ "users.read" })
    local path = "/api-keys/" .. made.id .. "/rotate"
    local second = ok(call("POST", path, admin, { graceHours = 2 }))
    assert.equal(made.id, second.id)
    assert.not_equal(made.key, second.key)
    all_answer(200, made.key)
    all_answer(200, second.key)
    server:sql(("UPDATE api_keys SET previous_until = NOW(3) - INTERVAL 1 SECOND WHERE id = '%s'")
      :format(made.id))
    ok(call("PUT", "/api-keys/" .. made.id, admin, { name = "turned" }))
    all_answer(401, made.key)
    all_answer(200, second.key)
    local third = ok(call("POST", path, admin, {}))
    all_answer(401, second.key)
    all_answer(200, third.key)
    for _, hours in ipairs({ -1, 25, 1.5, "1" }) do
      assert.equal("graceHours",
        refused(400, call("POST", path, admin, { graceHours = hours })).details[1].field)
    end
  end)

  it("works from where it was allowed to", function()
    local made = new_key({ "users.read" }, { ipAllowList = { "192.0.2.0/24", "2001:db8::/32" } })
    all_answer(403, made.key)
    ok(call("PUT", "/api-keys/" .. made.id, admin, { ipAllowList = { "127.0.0.0/8" } }))
    all_answer(200, made.key)
    local problem = refused(400, call("PUT", "/api-keys/" .. made.id, admin,
      { ipAllowList = { "127.0.0.1", "127.0.0.0/40" } }))
    assert.equal("ipAllowList[1]", problem.details[1].field)
  end)

  it("leaves its name in the trail and the time of its use in the list", function()
    local made = new_key({ "reports.read", "reports.update", "reports.create" })
    local report = ok(by_key(made.key, "POST", "/reports", { title = "By a meter",
      category = "other", location = { description = "at the church" } }), 201)
    assert.truthy(server:sql(("SELECT actor FROM audit_logs WHERE resource_id = '%s'")
      :format(report.id)):find("key:" .. made.id, 1, true))
    local used
    for _ = 1, 100 do
      used = server:sql(("SELECT last_used_at IS NOT NULL FROM api_keys WHERE id = '%s'")
        :format(made.id)):find("1", 1, true)
      if used then
        break
      end
      servers.sleep(0.1)
    end
    assert.truthy(used)
  end)

  it("belongs to one tenant, whatever a header says", function()
    local made = new_key({ "users.read" })
    local answer = api:get("/users?limit=100",
      { tenant = "northgrid", headers = { ["x-api-key"] = made.key } })
    assert.is_nil(answer.body:find("northgrid.example", 1, true))
    assert.truthy(answer.body:find("riverton.example", 1, true))
    local stranger = api:login("owner@northgrid.example").token
    refused(404, call("DELETE", "/api-keys/" .. made.id, stranger))
    refused(404, call("PUT", "/api-keys/" .. made.id, stranger, { name = "theirs" }))
    refused(404, call("POST", "/api-keys/" .. made.id .. "/rotate", stranger, {}))
  end)

  it("needs a name, scopes, and a future", function()
    local cases = {
      name = { scopes = { "users.read" } },
      scopes = { name = "x" },
      ["scopes[0]"] = { name = "x", scopes = { "users.fly" } },
      expiresAt = { name = "x", scopes = { "users.read" }, expiresAt = "2001-01-01T00:00:00Z" },
      ["ipAllowList[0]"] = { name = "x", scopes = { "users.read" }, ipAllowList = { "example.org" } },
    }
    for field, body in pairs(cases) do
      assert.equal(field, refused(400, call("POST", "/api-keys", admin, body)).details[1].field)
    end
  end)

  it("that there is none of is refused, and soon not looked at in haste", function()
    for _, key in ipairs({ "", "x", "fxk_", "fxk_'; DROP TABLE api_keys", ("f"):rep(4000),
      "fxk_" .. ("A"):rep(51) }) do
      refused(401, by_key(key, "GET", "/users"))
    end
    refused(401, by_key("fxk_wrong", "GET", "/reports/categories"))
    local statuses = {}
    for i = 1, WRONG_PER_MINUTE * SCALE + 5 do
      local answer = by_key("fxk_" .. ("%051d"):format(i), "GET", "/users")
      statuses[answer.status] = (statuses[answer.status] or 0) + 1
    end
    assert.is_true((statuses[429] or 0) > 0)
    assert.equal(WRONG_PER_MINUTE * SCALE + 5, (statuses[401] or 0) + statuses[429])
    all_answer(200, new_key({ "users.read" }).key)
  end)
end)
