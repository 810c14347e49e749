-- Workspaces: who makes, changes, shares and leaves them, and what nobody can do to one.
local cjson = require("cjson.safe")
local client = require("tests.support.client")
local expect = require("tests.support.expect")
local mailbox = require("tests.support.mailbox")
local servers = require("tests.support.server")

local ok, refused = expect.ok, expect.refused
local PASSWORD = "Fixxit-demo-2026"
local UNKNOWN = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"

local server, api
local people = 0

setup(function()
  server = servers.start()
  api = server.api
end)

teardown(function()
  server:stop()
end)

-- Somebody with an account and no tenant.
local function newcomer(more)
  people = people + 1
  local body = { email = "person" .. people .. "@people.example", password = PASSWORD,
    fullName = "Pia Person" }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  local made = ok(api:post("/auth/register", { json = body }))
  return { token = made.accessToken, refreshToken = made.refreshToken, user = made.user,
    email = body.email }
end

local function by(who, json, headers)
  return { token = who.token, json = json, headers = headers }
end

local function create(who, name)
  return ok(api:post("/workspaces", by(who, { name = name or "The Walkers" })))
end

local function invite(who, workspace, email, role)
  return api:post("/workspaces/" .. workspace.id .. "/members/invite",
    by(who, { email = email, role = role or "member" }))
end

-- The newest secret that was mailed to an address.
local function secret_of(email)
  return mailbox.secret(mailbox.wait(api, email, "An invitation"))
end

local function accept(who, workspace, secret)
  return api:post("/workspaces/" .. workspace.id .. "/members/accept", by(who, { token = secret }))
end

-- A new member with tokens for the workspace.
local function join(owner, workspace, role)
  local who = newcomer()
  assert.equal(201, invite(owner, workspace, who.email, role).status)
  ok(accept(who, workspace, secret_of(who.email)))
  local there = ok(api:post("/workspaces/" .. workspace.id .. "/switch", by(who, {})))
  who.there = { token = there.accessToken, refreshToken = there.refreshToken, user = there.user }
  return who
end

local function count(sql)
  return tonumber(server:sql("SELECT COUNT(*) FROM " .. sql))
end

describe("a workspace", function()
  it("belongs to who made it, has a slug of its own and is theirs to enter", function()
    local ann = newcomer()
    local made = create(ann, "  St. Mary's Fix & Repair ")
    assert.same({ "St. Mary's Fix & Repair", "st-mary-s-fix-repair", "owner", "enterprise" },
      { made.name, made.slug, made.role, made.tier })
    local twin = create(ann, "St. Mary's Fix & Repair")
    assert.truthy(twin.slug:find("^st%-mary%-s%-fix%-repair%-%x+$"), twin.slug)
    assert.truthy(create(ann, "\228\184\173\230\150\135").slug:find("^workspace"))
    local list = ok(api:get("/workspaces?sort=createdAt", by(ann)))
    assert.same({ made.id, twin.id }, { list[1].id, list[2].id })
    local there = ok(api:post("/workspaces/" .. made.id .. "/switch", by(ann, {})))
    assert.same({ "owner", made.slug }, { there.user.role, there.user.tenant.slug })
    assert.equal(200, api:get("/users", { token = there.accessToken }).status)
    assert.equal(1, count("audit_logs WHERE action = 'workspace.create' AND tenant_id = '"
      .. made.id .. "'"))
  end)

  it("says which fields are wrong, and keeps slugs apart", function()
    local ann = newcomer()
    local problem = refused(400, "VALIDATION_ERROR", api:post("/workspaces", by(ann,
      { name = "", slug = "No Good", contactInfo = { email = "x", website = "javascript:alert(1)" } })))
    assert.equal(4, #problem.details)
    assert.equal("slug", refused(409, "CONFLICT", api:post("/workspaces",
      by(ann, { name = "Mine", slug = "riverton" }))).details[1].field)
    local made = create(ann)
    assert.equal("slug", refused(409, "CONFLICT", api:put("/workspaces/" .. made.id,
      by(ann, { slug = "riverton" }))).details[1].field)
    refused(401, "UNAUTHORIZED", api:post("/workspaces", { json = { name = "Nobody's" } }))
  end)

  it("is changed by its owner, under the version that was read; the tier by the platform", function()
    local ann = newcomer()
    local made = create(ann)
    local path = "/workspaces/" .. made.id
    local tag = api:get(path, by(ann)).headers.etag
    assert.equal(304, api:get(path, by(ann, nil, { ["if-none-match"] = tag })).status)
    local after = ok(api:put(path, by(ann, { name = "Renamed", id = UNKNOWN, role = "viewer" },
      { ["if-match"] = tag })))
    assert.same({ "Renamed", made.id, "owner" }, { after.name, after.id, after.role })
    refused(412, "PRECONDITION_FAILED", api:put(path, by(ann, { name = "Late" }, { ["if-match"] = tag })))
    refused(403, "FORBIDDEN", api:put(path, by(ann, { tier = "pro" })))
    local platform = api:login("platform@fixxit.example")
    assert.equal("pro", ok(api:put(path, by(platform, { tier = "pro" }))).tier)
    refused(403, "FORBIDDEN", api:get(path .. "/members", by(platform)))
    refused(403, "FORBIDDEN", invite(platform, made, "a@x.example", "owner"))
  end)

  it("has a time zone that the system knows, which is that of its settings", function()
    local ann = newcomer()
    local made = create(ann)
    assert.equal("UTC", made.timezone)
    local path = "/workspaces/" .. made.id
    for _, zone in ipairs({ "Europe/Atlantis", "Europe", "../../etc/passwd", "", 7 }) do
      for _, answer in ipairs({ api:put(path, by(ann, { timezone = zone })),
        api:post("/workspaces", by(ann, { name = "Elsewhere", timezone = zone })) }) do
        assert.equal("timezone", refused(400, "VALIDATION_ERROR", answer).details[1].field)
      end
    end
    local tag = api:get(path, by(ann)).headers.etag
    local changed = api:put(path, by(ann, { timezone = "Europe/Rome" }, { ["if-match"] = tag }))
    assert.same({ "Europe/Rome", made.name }, { ok(changed).timezone, ok(changed).name })
    assert.not_equal(tag, changed.headers.etag)
    assert.equal("Europe/Rome", ok(api:put(path, by(ann, { name = "Same clock" }))).timezone)
    local there = { token = ok(api:post(path .. "/switch", by(ann, {}))).accessToken }
    assert.equal("Europe/Rome", ok(api:get("/admin/settings", there)).timezone)
    assert.equal(1, count("jobs WHERE name = 'clocks.reckon' AND tenant_id = '" .. made.id .. "'"))
    assert.equal(1, count("audit_logs WHERE action = 'workspace.update' AND tenant_id = '" .. made.id
      .. "' AND JSON_VALUE(old_values, '$.timezone') = 'UTC' "
      .. "AND JSON_VALUE(new_values, '$.timezone') = 'Europe/Rome'"))
    assert.equal("Asia/Tokyo", ok(api:post("/workspaces", by(ann, { name = "There",
      timezone = "Asia/Tokyo" })), 201).timezone)
  end)

  it("goes by the role in it, whatever the token is for elsewhere", function()
    local ann = newcomer()
    local made = create(ann)
    local admin, viewer = join(ann, made, "admin"), join(ann, made, "viewer")
    local path = "/workspaces/" .. made.id
    for _, token in ipairs({ viewer.token, viewer.there.token }) do
      local who = { token = token }
      assert.equal("viewer", ok(api:get(path, by(who))).role)
      refused(403, "FORBIDDEN", api:put(path, by(who, { name = "Taken" })))
      refused(403, "FORBIDDEN", api:delete(path, by(who)))
      refused(403, "FORBIDDEN", invite(who, made, "b@x.example", "viewer"))
      refused(403, "FORBIDDEN", api:get(path .. "/invitations", by(who)))
      refused(403, "FORBIDDEN", api:delete(path .. "/members/" .. admin.user.id, by(who)))
    end
    refused(403, "FORBIDDEN", api:put(path, by(admin, { name = "Taken" })))
    refused(403, "FORBIDDEN", api:post(path .. "/transfer", by(admin, { userId = admin.user.id })))
    -- The owner of another tenant is nobody here.
    local stranger = api:login("owner@northgrid.example")
    refused(404, "NOT_FOUND", api:get(path, by(stranger)))
    refused(404, "NOT_FOUND", invite(stranger, made, "c@x.example", "viewer"))
    refused(403, "FORBIDDEN", api:post(path .. "/switch", by(stranger, {})))
    refused(404, "NOT_FOUND", api:get("/workspaces/nonsense", by(ann)))
  end)

  it("shows its people's addresses to those with users.read alone, and nothing to the public", function()
    local dispatcher = api:login("dispatcher@riverton.example")
    local path = "/workspaces/" .. dispatcher.user.tenant.id .. "/members?limit=100"
    assert.truthy(api:get(path, by(dispatcher)).body:find("tech1@riverton.example", 1, true))
    local seen = api:get(path, by(api:login("tech2@riverton.example")))
    assert.is_nil(seen.body:find("@", 1, true))
    for _, member in ipairs(ok(seen)) do
      assert.is_true(member.role ~= "public" and member.phone == nil)
    end
    refused(403, "FORBIDDEN", api:get(path, by(api:login("citizen@riverton.example"))))
  end)

  it("ends for everybody at once when it is deleted, and its slug is free", function()
    local ann = newcomer()
    local made = create(ann)
    local bob = join(ann, made, "admin")
    assert.equal(200, api:get("/users/me", by(bob.there)).status)
    refused(412, "PRECONDITION_FAILED", api:delete("/workspaces/" .. made.id,
      by(ann, nil, { ["if-match"] = '"other"' })))
    assert.equal(200, api:delete("/workspaces/" .. made.id, by(ann)).status)
    refused(401, "UNAUTHORIZED", api:get("/users/me", by(bob.there)))
    refused(401, "UNAUTHORIZED", api:post("/auth/refresh",
      { json = { refreshToken = bob.there.refreshToken } }))
    assert.equal(200, api:get("/users/me", by(bob)).status)
    refused(404, "NOT_FOUND", api:get("/workspaces/" .. made.id, by(ann)))
    refused(404, "UNKNOWN_TENANT", api:get("/reports/categories", { tenant = made.slug }))
    assert.equal(made.slug, ok(api:post("/workspaces", by(ann, { name = "Again", slug = made.slug }))).slug)
  end)
end)

describe("a member", function()
  it("who is removed is out with the next request, tokens, invitations and all", function()
    local ann = newcomer()
    local made = create(ann)
    local bob = join(ann, made, "admin")
    assert.equal(201, invite(bob, made, "friend@x.example", "admin").status)
    local path = "/workspaces/" .. made.id .. "/members/" .. bob.user.id
    local socket = api:socket("token=" .. ok(api:post("/workspaces/" .. made.id .. "/switch",
      by(ann, {}))).accessToken)
    socket:expect("auth:ok")
    assert.equal(200, api:delete(path, by(ann)).status)
    refused(401, "UNAUTHORIZED", api:get("/users/me", by(bob.there)))
    refused(401, "UNAUTHORIZED", api:post("/auth/refresh",
      { json = { refreshToken = bob.there.refreshToken } }))
    refused(403, "FORBIDDEN", api:post("/workspaces/" .. made.id .. "/switch", by(bob, {})))
    refused(404, "NOT_FOUND", api:get("/workspaces/" .. made.id, by(bob)))
    refused(404, "NOT_FOUND", api:delete(path, by(ann)))
    assert.equal(0, #ok(api:get("/workspaces/" .. made.id .. "/invitations", by(ann))))
    local friend = newcomer({ email = "friend@x.example" })
    refused(404, "NOT_FOUND", accept(friend, made, secret_of("friend@x.example")))
    local left = socket:expect_event("workspace:member:left")
    assert.same({ bob.user.id, "admin", made.id },
      { left.data.userId, left.data.role, left.data.workspaceId })
    socket:close()
    assert.equal(1, count("audit_logs WHERE action = 'member.remove' AND resource_id = '"
      .. bob.user.id .. "'"))
  end)

  it("may leave, but not remove who may do more", function()
    local ann = newcomer()
    local made = create(ann)
    local admin, viewer = join(ann, made, "admin"), join(ann, made, "viewer")
    local members = "/workspaces/" .. made.id .. "/members/"
    refused(403, "FORBIDDEN", api:delete(members .. ann.user.id, by(admin)))
    refused(404, "NOT_FOUND", api:delete(members .. UNKNOWN, by(admin)))
    assert.equal(200, api:delete(members .. viewer.user.id, by(viewer)).status)
    assert.equal(200, api:delete(members .. admin.user.id, by(admin.there)).status)
    refused(409, "CONFLICT", api:delete(members .. ann.user.id, by(ann)))
  end)

  it("who is the last owner stays, however many try to go at once", function()
    local ann = newcomer()
    local made = create(ann)
    local bob = join(ann, made, "owner")
    local members = "/workspaces/" .. made.id .. "/members/"
    local answers = client.at_once({
      function() return api:delete(members .. ann.user.id, by(ann)).status end,
      function() return api:delete(members .. bob.user.id, by(bob)).status end,
    })
    table.sort(answers)
    assert.same({ 200, 409 }, answers)
    assert.equal(1, count("user_tenants WHERE role = 'owner' AND is_active AND tenant_id = '"
      .. made.id .. "'"))
  end)

  it("can be handed the workspace by its owner", function()
    local ann = newcomer()
    local made = create(ann)
    local bob = join(ann, made, "technician")
    local path = "/workspaces/" .. made.id
    refused(404, "NOT_FOUND", api:post(path .. "/transfer", by(ann, { userId = UNKNOWN })))
    refused(400, "VALIDATION_ERROR", api:post(path .. "/transfer", by(ann, { userId = ann.user.id })))
    assert.equal("admin", ok(api:post(path .. "/transfer", by(ann, { userId = bob.user.id }))).role)
    assert.equal("owner", ok(api:get(path, by(bob.there))).role)
    refused(403, "FORBIDDEN", api:delete(path, by(ann)))
  end)
end)

describe("an invitation", function()
  it("makes a member of who has the address, once", function()
    local ann, bob = newcomer(), newcomer()
    local made = create(ann, "Bridge Street")
    local sent = ok(invite(ann, made, bob.email:upper(), "dispatcher"))
    assert.same({ bob.email, "dispatcher", ann.user.id }, { sent.email, sent.role, sent.invitedBy })
    local mail = mailbox.wait(api, bob.email, "An invitation")
    assert.truthy(mail.text:find("Pia Person invites you to Bridge Street", 1, true))
    assert.truthy(mail.text:find("/invite?token=", 1, true))
    local secret = mailbox.secret(mail)
    assert.equal(0, count("invitations WHERE token_hash = '" .. secret .. "'"))
    local answers = client.at_once({
      function() return accept(bob, made, secret).status end,
      function() return accept(bob, made, secret).status end,
    })
    table.sort(answers)
    assert.same({ 200, 409 }, answers)
    local there = ok(api:post("/workspaces/" .. made.id .. "/switch", by(bob, {}))).user
    assert.same({ "dispatcher", "employee", true }, { there.role, there.userType, there.emailVerified })
    refused(409, "CONFLICT", invite(ann, made, bob.email, "admin"))
  end)

  it("is for one address, one workspace and seven days", function()
    local ann, bob, eve = newcomer(), newcomer(), newcomer()
    local made, other = create(ann), create(eve)
    invite(ann, made, bob.email)
    local secret = secret_of(bob.email)
    refused(403, "FORBIDDEN", accept(eve, made, secret))
    refused(404, "NOT_FOUND", accept(bob, other, secret))
    refused(404, "NOT_FOUND", accept(bob, made, secret .. "x"))
    refused(403, "FORBIDDEN", api:post("/auth/register", { json = { email = "eve2@people.example",
      password = PASSWORD, fullName = "Eve", inviteToken = secret } }))
    server:sql("UPDATE invitations SET expires_at = NOW() - INTERVAL 1 SECOND WHERE tenant_id = '"
      .. made.id .. "'")
    refused(410, "GONE", accept(bob, made, secret))
    assert.equal(0, count("users WHERE email = 'eve2@people.example'"))
  end)

  it("is never to more than the inviter may do, nor to the public's role", function()
    local ann = newcomer()
    local made = create(ann)
    local admin = join(ann, made, "admin")
    refused(403, "FORBIDDEN", invite(admin, made, "up@x.example", "owner"))
    assert.equal(201, invite(admin, made, "up@x.example", "admin").status)
    for _, role in ipairs({ "public", "platform_admin", "king" }) do
      assert.equal("role", refused(400, "VALIDATION_ERROR",
        invite(ann, made, "up@x.example", role)).details[1].field)
    end
    server:sql("UPDATE user_tenants SET permissions = '{\"reports.export\": false}' WHERE user_id = '"
      .. admin.user.id .. "' AND tenant_id = '" .. made.id .. "'")
    server:sql("INSERT INTO security_events (kind, user_id) VALUES ('user.changed', '"
      .. admin.user.id .. "')")
    refused(403, "FORBIDDEN", invite({ token = admin.token }, made, "up2@x.example", "dispatcher"))
    assert.equal(201, invite({ token = admin.token }, made, "up2@x.example", "viewer").status)
  end)

  it("says the same of addresses with and without an account, and of strangers nothing", function()
    local ann, bob = newcomer(), newcomer()
    local made = create(ann)
    local known, unknown = ok(invite(ann, made, bob.email)), ok(invite(ann, made, "nobody@x.example"))
    for name in pairs(known) do
      assert.equal(type(known[name]), type(unknown[name]), name)
    end
    local log = server:sql("SELECT COALESCE(new_values, '') FROM audit_logs WHERE tenant_id = '"
      .. made.id .. "'")
    assert.is_nil(log:find("@", 1, true))
    assert.is_nil(server:log_text():find("nobody@x.example", 1, true))
  end)

  it("is listed, taken back and replaced", function()
    local ann, bob = newcomer(), newcomer()
    local made = create(ann)
    local path = "/workspaces/" .. made.id .. "/invitations"
    invite(ann, made, bob.email, "viewer")
    local first = secret_of(bob.email)
    api:delete("/dev/mailbox", { root = true })
    local second = ok(invite(ann, made, bob.email, "member"))
    local list = ok(api:get(path, by(ann)))
    assert.same({ 1, second.id }, { #list, list[1].id })
    assert.is_nil(api:get(path, by(ann)).body:find("oken", 1, true))
    refused(404, "NOT_FOUND", accept(bob, made, first))
    local secret = secret_of(bob.email)
    local stranger = create(newcomer())
    refused(404, "NOT_FOUND", api:delete("/workspaces/" .. stranger.id .. "/invitations/" .. second.id, by(ann)))
    assert.equal(200, api:delete(path .. "/" .. second.id, by(ann)).status)
    refused(404, "NOT_FOUND", accept(bob, made, secret))
    assert.same({}, ok(api:get(path, by(ann))))
  end)

  it("carries no words of a stranger's into a mail", function()
    local ann = newcomer({ fullName = "win at http://evil.example" })
    local made = create(ann, "Your bank: call us at evil.example")
    invite(ann, made, "victim@x.example")
    local mail = mailbox.wait(api, "victim@x.example", "An invitation")
    assert.is_nil((mail.text .. mail.html):find("evil", 1, true))
    assert.truthy(mail.text:find("Somebody invites you to their workspace", 1, true))
  end)

  it("makes an account whose address is confirmed, and whose role is the invitation's", function()
    local ann = newcomer()
    local made = create(ann)
    invite(ann, made, "fresh@x.example", "technician")
    local secret = secret_of("fresh@x.example")
    local fresh = newcomer({ email = "fresh@x.example", inviteToken = secret, tenant = "riverton" })
    assert.same({ "technician", "employee", true, made.id }, { fresh.user.role, fresh.user.userType,
      fresh.user.emailVerified, fresh.user.tenant.id })
    refused(409, "CONFLICT", api:post("/auth/register", { json = { email = "fresh2@x.example",
      password = PASSWORD, fullName = "Fay", inviteToken = secret } }))
    refused(404, "NOT_FOUND", api:post("/auth/register", { json = { email = "fresh2@x.example",
      password = PASSWORD, fullName = "Fay", inviteToken = "made-up" } }))
    assert.equal(0, count("users WHERE email = 'fresh2@x.example'"))
  end)

  it("raises the role of a citizen who reports to the tenant", function()
    local owner = api:login("owner@riverton.example")
    local citizen = newcomer({ tenant = "riverton" })
    assert.equal("public", citizen.user.role)
    local riverton = { id = owner.user.tenant.id }
    assert.equal(201, invite(owner, riverton, citizen.email, "technician").status)
    ok(accept(citizen, riverton, secret_of(citizen.email)))
    assert.equal("technician", ok(api:get("/users/me", by(citizen))).role)
  end)

  it("brings nobody back who was barred, and may be to a role of the workspace's own", function()
    local ann = newcomer()
    local made = create(ann)
    local there = { token = ok(api:post("/workspaces/" .. made.id .. "/switch", by(ann, {}))).accessToken }
    ok(api:post("/roles", by(there, { name = "scout", permissions = { "users.read" } })))
    local bob = join(ann, made, "scout")
    assert.same({ "users.read" }, bob.there.user.permissions)
    invite(ann, made, "cleo@x.example", "scout")
    local cleo = newcomer({ email = "cleo@x.example", inviteToken = secret_of("cleo@x.example") })
    assert.same({ "users.read" }, cleo.user.permissions)
    assert.equal(200, api:get("/workspaces/" .. made.id .. "/members", by(bob)).status)
    assert.equal(201, invite(ann, made, "later@x.example").status)
    ok(api:put("/users/" .. bob.user.id .. "/status", by(there, { status = "banned", reason = "spam" })))
    refused(409, "CONFLICT", invite(ann, made, bob.email, "member"))
    refused(404, "NOT_FOUND", api:get("/workspaces/" .. made.id, by(bob)))
    server:sql("UPDATE invitations SET email = '" .. bob.email .. "' WHERE email = 'later@x.example'")
    refused(403, "FORBIDDEN", accept(bob, made, secret_of("later@x.example")))
    refused(401, "UNAUTHORIZED", api:get("/users/me", by(bob.there)))
  end)

  it("of an administrator goes with their rights, whoever takes those", function()
    local ann = newcomer()
    local made = create(ann)
    local there = { token = ok(api:post("/workspaces/" .. made.id .. "/switch", by(ann, {}))).accessToken }
    local takes = {
      function(id) return api:delete("/users/" .. id, by(there)) end,
      function(id) return api:put("/users/" .. id .. "/status", by(there, { status = "banned", reason = "x" })) end,
      function(id) return api:put("/admin/users/" .. id .. "/role", by(there, { role = "viewer" })) end,
    }
    for i, take in ipairs(takes) do
      local admin = join(ann, made, "admin")
      assert.equal(201, invite(admin, made, "accomplice@x.example", "admin").status)
      ok(take(admin.user.id))
      assert.same({}, ok(api:get("/workspaces/" .. made.id .. "/invitations", by(ann))), "way " .. i)
    end
    local admin, guest = join(ann, made, "admin"), newcomer()
    assert.equal(201, invite(admin, made, guest.email, "admin").status)
    assert.equal(200, api:delete("/users/me", by(admin)).status)
    refused(404, "NOT_FOUND", accept(guest, made, secret_of(guest.email)))
    local heir = join(ann, made, "admin")
    assert.equal(201, invite(ann, made, "second@x.example", "owner").status)
    ok(api:post("/workspaces/" .. made.id .. "/transfer", by(ann, { userId = heir.user.id })))
    for _, waiting in ipairs(ok(api:get("/workspaces/" .. made.id .. "/invitations", by(ann)))) do
      assert.not_equal(ann.user.id, waiting.invitedBy)
    end
  end)

  it("goes when its person is erased", function()
    local ann, bob = newcomer(), newcomer()
    invite(ann, create(ann), bob.email)
    assert.equal(200, api:delete("/users/delete-account", by(bob, { password = PASSWORD })).status)
    assert.equal(0, count("invitations WHERE email = '" .. bob.email .. "'"))
  end)

  it("has a page", function()
    local page = api:get("/invite?token=x", { root = true })
    assert.equal(200, page.status)
    assert.truthy(page.headers["content-security-policy"]:find("default-src 'none'", 1, true))
    assert.equal(200, api:get("/invite.js", { root = true }).status)
    assert.is_nil(cjson.decode(page.body))
  end)
end)
