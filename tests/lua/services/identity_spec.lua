-- Accounts and sessions on a real database: who gets in, who is kept out, and from when on.
local context = require("core.context")
local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local seed = require("services.identity.seed")
local identity = require("services.identity")
local people = require("services.identity.people")
local passwords = require("services.identity.passwords")
local profile = require("services.identity.profile")
local roles = require("services.identity.roles")
local service = require("services.identity.service")
local task = require("core.task")
local tenants = require("services.identity.tenants")
local uuid = require("core.uuid")

local function request(headers)
  return context.new({
    ip = "192.0.2.1",
    req = { header = function(_, name)
      return (headers or {})[name]
    end },
  })
end

local function refused(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(err), tostring(err))
  assert.equal(code, err.code)
  return err
end

local function login(email, password)
  return (service.login(request(), { email = email, password = password or seed.PASSWORD }, {}))
end

local function as(token)
  local ctx = request({ authorization = "Bearer " .. token })
  identity.hooks.authenticate(ctx)
  return ctx
end

local function sql(text, ...)
  return db.platform(context.system()):one(text, ...)
end

describe("identity", function()
  setup(function()
    seed.run(context.system({ name = "seed" }))
  end)

  describe("the demo world", function()
    it("is the same when it is seeded again", function()
      local function count(members)
        return sql("SELECT COUNT(*) AS n FROM users u" .. members
          .. " WHERE u.email LIKE '%.example'").n
      end
      assert.equal(16, count(""))
      seed.run(context.system({ name = "seed" }))
      assert.equal(16, count(""))
      assert.equal(15, count(" JOIN user_tenants m ON m.user_id = u.id"))
    end)
  end)

  describe("signing in", function()
    it("acts in the tenant of the account with the permissions of its role", function()
      local answer = login("Dispatcher@Riverton.example")
      assert.equal("riverton", answer.user.tenant.slug)
      local ctx = as(answer.accessToken)
      assert.equal("dispatcher", ctx.actor.role)
      assert.equal("riverton", ctx.tenant.slug)
      assert.is_true(ctx:can("reports.update"))
      assert.is_false(ctx:can("reports.delete"))
    end)

    it("says the same of a wrong password and of an unknown address", function()
      local wrong = refused("INVALID_CREDENTIALS", login, "viewer@riverton.example", "not it, no")
      local unknown = refused("INVALID_CREDENTIALS", login, "nobody@riverton.example", "not it, no")
      assert.equal(wrong.message, unknown.message)
    end)

    it("costs a stranger one hash of the same cost, whatever the address and the password", function()
      local platform = db.platform(context.system())
      local verify, costs = crypto.password_verify, {}
      crypto.password_verify = function(password, hash)
        costs[#costs + 1] = hash:match("^%$2b%$(%d%d)%$")
        return verify(password, hash)
      end
      platform:exec("UPDATE users SET status = 'banned' WHERE email = 'owner@fagioli.example'")
      finally(function()
        crypto.password_verify = verify
        platform:exec("UPDATE users SET status = 'active'")
        platform:exec("DELETE FROM login_failures")
      end)
      local emails = { "viewer@riverton.example", "nobody@riverton.example", "no address",
        "owner@fagioli.example" }
      local tried = { "not it, no", ("x"):rep(100), "a\0b" }
      for _, email in ipairs(emails) do
        for _, password in ipairs(tried) do
          refused("INVALID_CREDENTIALS", login, email, password)
        end
      end
      assert.equal(#emails * #tried, #costs)
      for _, cost in ipairs(costs) do
        assert.equal(costs[1], cost)
      end
      -- that an account is barred is told to who knows its password alone
      refused("FORBIDDEN", login, "owner@fagioli.example")
    end)

    it("locks an address after five failures, known or not, longer each time", function()
      for _, email in ipairs({ "tech2@riverton.example", "stranger@riverton.example" }) do
        for _ = 1, 5 do
          refused("INVALID_CREDENTIALS", login, email, "wrong password")
        end
        local err = refused("ACCOUNT_LOCKED", login, email)
        local seconds = tonumber(err.headers["Retry-After"])
        assert.truthy(seconds > 800 and seconds <= 900, seconds)
      end
      db.platform(context.system()):exec("UPDATE login_failures SET locked_until = NOW(3)")
      for _ = 1, 5 do
        refused("INVALID_CREDENTIALS", login, "tech2@riverton.example", "wrong password")
      end
      local err = refused("ACCOUNT_LOCKED", login, "tech2@riverton.example")
      assert.truthy(tonumber(err.headers["Retry-After"]) > 1700)
      db.platform(context.system()):exec("DELETE FROM login_failures")
      assert.truthy(login("tech2@riverton.example").accessToken)
    end)

    it("is locked for as long as the lock is, not a second more", function()
      local store = require("services.identity.store")
      db.transaction(context.system(), function(tx)
        local platform = db.platform(tx)
        local function set_clock(unix_s)
          platform:exec("SET timestamp = " .. unix_s)
        end
        set_clock(1800000000)
        store.add_failure(tx, ("x"):rep(32), 1, 900)
        assert.equal(900, store.find_lock_s(tx, ("x"):rep(32)))
        set_clock(1800000899.5)
        assert.equal(1, store.find_lock_s(tx, ("x"):rep(32)))
        set_clock("DEFAULT")
        platform:exec("DELETE FROM login_failures")
      end)
    end)
  end)

  describe("a session", function()
    it("gives a new pair for a refresh token once, and ends when it comes back", function()
      local answer = login("tech1@riverton.example")
      local second = service.refresh(request(), answer.refreshToken, nil)
      assert.equal("riverton", as(second.accessToken).tenant.slug)
      refused("TOKEN_REUSED", service.refresh, request(), answer.refreshToken, nil)
      refused("UNAUTHORIZED", service.refresh, request(), second.refreshToken, nil)
      refused("UNAUTHORIZED", as, second.accessToken)
    end)

    it("refuses its access token from the logout on", function()
      local answer = login("tech1@riverton.example")
      service.logout(as(answer.accessToken), {})
      refused("UNAUTHORIZED", as, answer.accessToken)
    end)

    it("ends with all others when asked to", function()
      local one, two = login("viewer@riverton.example"), login("viewer@riverton.example")
      service.logout(as(one.accessToken), { all = true })
      refused("UNAUTHORIZED", as, two.accessToken)
    end)

    it("asks for the CSRF token when the refresh token comes in a cookie", function()
      local _, pair = service.login(request(),
        { email = "admin@riverton.example", password = seed.PASSWORD }, { cookie = true })
      refused("FORBIDDEN", service.refresh, request(), pair.refresh, false)
      refused("FORBIDDEN", service.refresh, request(), pair.refresh, "guess")
      assert.truthy(service.refresh(request(), pair.refresh, pair.csrf))
    end)

    it("follows a change that commits after one that began later", function()
      local early, late = login("tech1@riverton.example"), login("viewer@riverton.example")
      local loop = require("services.identity.standing").start()
      local is_inserted, may_commit, is_committed = false, false, false
      finally(function()
        may_commit = true
        loop:stop()
        db.platform(context.system()):exec("UPDATE users SET status = 'active'")
      end)
      local function ban(ctx, user)
        local scope = db.platform(ctx)
        scope:exec("UPDATE users SET status = 'banned' WHERE id = ?", user.id)
        scope:exec("INSERT INTO security_events (kind, user_id) VALUES ('user.changed', ?)", user.id)
      end
      local function in_time(wanted)
        for _ = 1, 500 do
          if wanted() then
            return true
          end
          task.sleep(10)
        end
        return false
      end
      local function is_out(answer)
        return not pcall(as, answer.accessToken)
      end
      as(early.accessToken)
      as(late.accessToken)
      task.spawn(function()
        db.transaction(context.system(), function(ctx)
          ban(ctx, early.user)
          is_inserted = true
          assert(in_time(function()
            return may_commit
          end))
        end)
        is_committed = true
      end)
      assert.is_true(in_time(function()
        return is_inserted
      end))
      ban(context.system(), late.user)
      assert.is_true(in_time(function()
        return is_out(late)
      end))
      assert.is_false(is_out(early))
      may_commit = true
      assert.is_true(in_time(function()
        return is_committed
      end))
      assert.is_true(in_time(function()
        return is_out(early)
      end))
    end)

    it("follows a change that another process announces", function()
      local answer = login("citizen@riverton.example")
      local loop = require("services.identity.standing").start()
      finally(function()
        loop:stop()
        db.platform(context.system()):exec("UPDATE users SET status = 'active'")
      end)
      assert.truthy(as(answer.accessToken))
      db.platform(context.system()):exec(
        "UPDATE users SET status = 'banned' WHERE id = ?", answer.user.id)
      db.platform(context.system()):exec(
        "INSERT INTO security_events (kind, user_id) VALUES ('user.changed', ?)", answer.user.id)
      require("core.task").sleep(600)
      refused("UNAUTHORIZED", as, answer.accessToken)
    end)

    it("takes no token that was changed", function()
      local token = login("owner@northgrid.example").accessToken
      refused("UNAUTHORIZED", as, token .. "x")
      refused("UNAUTHORIZED", as, (token:gsub("^[^.]+", "eyJhbGciOiJub25lIn0")))
    end)
  end)

  describe("the second step", function()
    it("keeps its secret when a set-up that began before comes later", function()
      local mfa = require("services.identity.mfa")
      local secrets = require("services.identity.secrets_store")
      local ctx = as(login("owner@fagioli.example").accessToken)
      local user_id = ctx.actor.user_id
      mfa.setup(ctx)
      local kept = sql("SELECT mfa_secret FROM users WHERE id = ?", user_id).mfa_secret
      local set_factor_secret = secrets.set_factor_secret
      secrets.set_factor_secret = function(...) -- meanwhile another request has switched it on
        secrets.enable_factor(ctx, user_id, 1)
        return set_factor_secret(...)
      end
      finally(function()
        secrets.set_factor_secret = set_factor_secret
        secrets.remove_factor(ctx, user_id)
      end)
      refused("CONFLICT", mfa.setup, ctx)
      assert.equal(kept, sql("SELECT mfa_secret FROM users WHERE id = ?", user_id).mfa_secret)
    end)
  end)

  describe("registering", function()
    local function register(fields, headers)
      local body = { email = "new@example.org", password = "long enough 7",
        fullName = "Ada Lovelace" }
      for name, value in pairs(fields) do
        body[name] = value
      end
      return (service.register(request(headers), body))
    end

    it("joins the named tenant as public, whatever the caller asks for", function()
      local answer = register({ userType = "admin" }, { ["x-tenant"] = "riverton" })
      assert.equal("public", answer.user.userType)
      assert.equal("public", answer.user.role)
      assert.equal("Ada", answer.user.firstName)
      assert.equal("Lovelace", answer.user.lastName)
      assert.is_false(as(answer.accessToken):can("reports.read"))
    end)

    it("refuses a taken address, a weak password and an unknown tenant", function()
      register({ email = "taken@example.org" })
      refused("EMAIL_TAKEN", register, { email = "TAKEN@example.org" })
      for _, password in ipairs({ "short", "password123", "aaaaaaaaaaaa", "weak@example.org" }) do
        refused("VALIDATION_ERROR", register, { email = "weak@example.org", password = password })
      end
      refused("UNKNOWN_TENANT", register, { email = "b@example.org" },
        { ["x-tenant"] = "atlantis" })
    end)
  end)

  describe("the profile", function()
    it("changes, and a new password ends the other sessions", function()
      local email = "owner@fagioli.example"
      local mine, other = login(email), login(email)
      local ctx = as(mine.accessToken)
      refused("VALIDATION_ERROR", profile.update, ctx,
        { newPassword = "another good one", currentPassword = "not mine" })
      local shown = profile.update(ctx, { lastName = "Bianchi", phone = "+39 06 1234567",
        newPassword = "another good one", currentPassword = seed.PASSWORD })
      assert.equal("Franco Bianchi", shown.fullName)
      refused("UNAUTHORIZED", as, other.accessToken)
      assert.truthy(as(mine.accessToken))
      assert.truthy(login(email, "another good one").accessToken)
    end)
  end)

  describe("a tenant", function()
    it("is named by header, host or body; an unknown one is 404, none is none", function()
      db.platform(context.system()):exec(
        "UPDATE tenants SET domain = 'reports.riverton.example' WHERE slug = 'riverton'")
      assert.equal("riverton", identity.named_tenant(request({ ["x-tenant"] = "riverton" })).slug)
      assert.equal("riverton",
        identity.named_tenant(request({ host = "Reports.Riverton.example:8080" })).slug)
      assert.equal("northgrid", identity.named_tenant(request(), { tenant = "northgrid" }).slug)
      assert.is_nil(identity.named_tenant(request({ host = "127.0.0.1:8080" })))
      refused("UNKNOWN_TENANT", identity.named_tenant, request({ ["x-tenant"] = "atlantis" }))
    end)

    it("is kept until its change is announced; that there is none, too", function()
      local function name_of(slug)
        local found = tenants.find_by_slug(context.system(), slug)
        return found and found.name
      end
      local function rename(slug, name)
        db.platform(context.system()):exec(
          "UPDATE tenants SET organization_name = ? WHERE slug = ?", name, slug)
      end
      local riverton, northgrid = name_of("riverton"), name_of("northgrid")
      local id = tenants.find_by_slug(context.system(), "riverton").id
      assert.is_nil(name_of("lakeside"))
      rename("riverton", "Riverton upon Lee")
      rename("northgrid", "Northgrid North")
      db.platform(context.system()):exec("INSERT INTO tenants (id, slug, organization_name) "
        .. "VALUES (?, 'lakeside', 'Lakeside')", uuid.v7())
      assert.same({ riverton, northgrid }, { name_of("riverton"), name_of("northgrid") })
      assert.is_nil(name_of("lakeside"))
      tenants.forget(id)
      assert.same({ "Riverton upon Lee", northgrid, "Lakeside" },
        { name_of("riverton"), name_of("northgrid"), name_of("lakeside") })
      rename("riverton", riverton)
      rename("northgrid", northgrid)
      tenants.forget(id)
    end)

    it("can be switched to by its members only", function()
      local answer = login("owner@riverton.example")
      local ctx = as(answer.accessToken)
      local other = identity.find_tenant_by_slug(ctx, "northgrid")
      refused("FORBIDDEN", service.switch_tenant, ctx, other.id)
      local switched = service.switch_tenant(ctx, ctx.tenant.id)
      assert.equal("riverton", as(switched.accessToken).tenant.slug)
    end)

    it("shows its own people only, page after page", function()
      local ctx = as(login("dispatcher@northgrid.example").accessToken)
      local first, meta = people.list(ctx, { limit = 2 })
      assert.equal(2, #first)
      local second = people.list(ctx, { limit = 2, cursor = meta.nextCursor })
      local names = {}
      for _, list in ipairs({ first, second }) do
        for _, member in ipairs(list) do
          names[#names + 1] = member.lastName
        end
      end
      assert.same({ "Dale", "North", "Tate" }, names)
      assert.equal("Tim Tate", people.list(ctx, { limit = 5, q = "tim t" })[1].fullName)
      assert.equal(0, #people.list(ctx, { limit = 5, q = "%" }))
      local stranger = login("tech1@riverton.example").user.id
      assert.is_nil(identity.find_user(ctx, stranger))
    end)
  end)
end)

describe("roles", function()
  it("give what the table says, and single permissions on top", function()
    assert.is_true(roles.permissions("owner")["workspaces.manage"])
    assert.is_nil(roles.permissions("admin")["workspaces.manage"])
    assert.is_nil(roles.permissions("technician")["workorders.read"])
    assert.is_true(roles.permissions("technician")["workorders.work"])
    assert.is_nil(roles.permissions("member")["workorders.work"])
    assert.is_nil(roles.permissions("viewer")["reports.create"])
    assert.same({}, roles.permissions("public"))
    local changed = roles.effective({ role = "viewer", granted = "users.read,files.delete",
      permissions = '{"reports.export":true,"reports.read":false,"files.delete":false}' })
    assert.is_true(changed["reports.export"] and changed["users.read"])
    assert.is_nil(changed["reports.read"])
    assert.is_nil(changed["files.delete"])
    assert.is_nil(roles.permissions("viewer")["users.read"])
  end)

  it("share a set among all who have the same rights, and nobody else", function()
    local function row(fields)
      return { role = fields.role or "viewer", granted = fields.granted,
        permissions = fields.permissions, platform_admin = fields.platform_admin }
    end
    assert.equal(roles.effective(row({})), roles.effective(row({})))
    local seen = {}
    for _, fields in ipairs({ {}, { role = "member" }, { granted = "users.read" },
      { permissions = '{"reports.export":true}' }, { platform_admin = true } }) do
      local set = roles.effective(row(fields))
      assert.is_nil(seen[set])
      seen[set] = true
    end
    assert.is_nil(roles.effective(row({}))["system.read"])
    assert.is_true(roles.effective(row({ platform_admin = true }))["system.read"])
  end)
end)

describe("passwords", function()
  it("are counted in characters and limited in bytes", function()
    assert.truthy(passwords.problem("äöüäöüäöü"))
    assert.is_nil(passwords.problem("äöüäöüäöüä"))
    assert.truthy(passwords.problem(("x1"):rep(40)))
  end)
end)
