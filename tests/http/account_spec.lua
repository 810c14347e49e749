-- What an account goes through: its address is confirmed, its password lost and found, changed and
-- guessed at; what it tells strangers; how it leaves.
local cjson = require("cjson.safe")
local client = require("tests.support.client")
local expect = require("tests.support.expect")
local mailbox = require("tests.support.mailbox")
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

local refused = expect.refused
local PASSWORD, OTHER = "Fixxit-demo-2026", "Hjkl-4242-uiop"

local server, api

setup(function()
  server = servers.start()
  api = server.api
end)

teardown(function()
  server:stop()
end)

local function register(email, more)
  local body = { email = email, password = PASSWORD, fullName = "Ann Archer" }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  local answer = api:post("/auth/register", { json = body })
  assert.equal(201, answer.status, answer.body)
  return { token = answer.json.data.accessToken, refreshToken = answer.json.data.refreshToken,
    user = answer.json.data.user }
end

local function try(email, password)
  return api:post("/auth/login", { json = { email = email, password = password } })
end

local function me(token)
  return api:get("/users/me", { token = token })
end

describe("an address", function()
  it("is confirmed by the link of a mail, once", function()
    local ann = register("ann@confirm.example")
    assert.is_false(ann.user.emailVerified)
    local mail = mailbox.wait(api, "ann@confirm.example", "Confirm your address")
    assert.equal("email", mail.channel)
    assert.truthy(mail.text:find("/verify-email?token=", 1, true))
    assert.truthy(mail.html:find("/verify-email?token=", 1, true))
    local secret = mailbox.secret(mail)
    assert.equal("0", server:sql("SELECT COUNT(*) FROM one_time_tokens WHERE token_hash = '" .. secret
      .. "'"):match("%d+"))
    local answers = client.at_once({
      function() return api:post("/auth/verify-email", { json = { token = secret } }) end,
      function() return api:post("/auth/verify-email", { json = { token = secret } }) end,
    })
    table.sort(answers, function(a, b) return a.status < b.status end)
    assert.equal(200, answers[1].status)
    refused(400, "INVALID_TOKEN", answers[2])
    assert.is_true(me(ann.token).json.data.emailVerified)
    refused(409, "CONFLICT", api:post("/auth/resend-verification", { token = ann.token }))
  end)

  it("gets another mail when it asks, and the link ends after a day", function()
    local ann = register("late@confirm.example")
    mailbox.wait(api, "late@confirm.example", "Confirm")
    api:delete("/dev/mailbox", { root = true })
    assert.equal(202, api:post("/auth/resend-verification", { token = ann.token }).status)
    local secret = mailbox.secret(mailbox.wait(api, "late@confirm.example", "Confirm"))
    server:sql("UPDATE one_time_tokens SET expires_at = NOW() - INTERVAL 1 SECOND WHERE user_id = '"
      .. ann.user.id .. "'")
    refused(410, "GONE", api:post("/auth/verify-email", { json = { token = secret } }))
    refused(400, "INVALID_TOKEN", api:post("/auth/verify-email", { json = { token = "x" } }))
    assert.is_false(me(ann.token).json.data.emailVerified)
  end)

  it("of a tenant's own domain makes a member of it, once it is confirmed and not before", function()
    server:sql("UPDATE tenants SET domain = 'northgrid.test' WHERE slug = 'northgrid'")
    local eve = register("eve@northgrid.test")
    assert.same({ "public", cjson.null }, { eve.user.userType, eve.user.role })
    local mail = mailbox.wait(api, "eve@northgrid.test", "Confirm")
    api:post("/auth/verify-email", { json = { token = mailbox.secret(mail) } })
    local again = api:login("eve@northgrid.test").user
    assert.same({ "employee", "member", "northgrid" }, { again.userType, again.role,
      again.tenant.slug })
  end)

  it("has a name of one line", function()
    local ann = register("oneline@names.example")
    local err = refused(400, "VALIDATION_ERROR", api:put("/users/profile", { token = ann.token,
      json = { firstName = "Ann\r\nBcc: bob@x.example", lastName = "A\226\128\168B" } }))
    assert.equal(2, #err.details)
    for _, detail in ipairs(err.details) do
      assert.equal("must be one line", detail.message)
    end
    assert.equal("Ann", me(ann.token).json.data.firstName)
  end)

  it("hears of all that is wrong at once", function()
    local err = refused(400, "VALIDATION_ERROR", api:post("/auth/register",
      { json = { email = "nobody", password = "short", fullName = "", phone = "banana" } }))
    local fields = {}
    for _, detail in ipairs(err.details) do
      fields[detail.field] = detail.message
    end
    assert.same({ email = "must be an e-mail address", password = "must have at least 10 characters",
      fullName = "must have 1 to 100 characters", phone = "must be a phone number" }, fields)
  end)

  it("is one address however its case is written, and no other alphabet's", function()
    register("case@alphabet.example")
    refused(409, "EMAIL_TAKEN", api:post("/auth/register", { json = { email = "CASE@Alphabet.EXAMPLE",
      password = PASSWORD, fullName = "Ann" } }))
    assert.equal(200, try("  Case@ALPHABET.example ", PASSWORD).status)
    for _, email in ipairs({ "c\208\176se@alphabet.example", "case@alph\208\176bet.example",
      "case\226\128\139@alphabet.example", "c\204\129ase@alphabet.example", "case\0@alphabet.example",
      "case@alphabet.example\n", "case@alphabet.example,b@x.example", "\239\189\131ase@alphabet.example",
      "case@\196\176.example" }) do
      local answer = api:post("/auth/register", { json = { email = email, password = PASSWORD,
        fullName = "Ann" } })
      if email:find("\n") then -- blanks around an address are taken off
        refused(409, "EMAIL_TAKEN", answer)
      else
        assert.equal("email", refused(400, "VALIDATION_ERROR", answer).details[1].field)
      end
    end
  end)
end)

describe("a lost password", function()
  it("is replaced by the link of a mail, which ends all sessions and any lock", function()
    local ann = register("lost@reset.example")
    for _ = 1, 5 do
      try("lost@reset.example", "not it, no")
    end
    refused(429, "ACCOUNT_LOCKED", try("lost@reset.example", PASSWORD))
    assert.equal(202, api:post("/auth/forgot-password", { json = { email = "Lost@Reset.example" } }).status)
    local mail = mailbox.wait(api, "lost@reset.example", "Choose a new password")
    assert.truthy(mail.text:find("/reset-password?token=", 1, true))
    local secret = mailbox.secret(mail)
    assert.equal("password", refused(400, "VALIDATION_ERROR", api:post("/auth/reset-password",
      { json = { token = secret, password = "Password123" } })).details[1].field)
    assert.equal(200, api:post("/auth/reset-password",
      { json = { token = secret, password = OTHER } }).status)
    refused(400, "INVALID_TOKEN", api:post("/auth/reset-password",
      { json = { token = secret, password = PASSWORD } }))
    assert.equal(401, me(ann.token).status)
    assert.equal(401, api:post("/auth/refresh", { json = { refreshToken = ann.refreshToken } }).status)
    refused(401, "INVALID_CREDENTIALS", try("lost@reset.example", PASSWORD))
    assert.equal(200, try("lost@reset.example", OTHER).status)
    mailbox.wait(api, "lost@reset.example", "Your password was changed")
  end)

  it("is not replaced by a link of another purpose, or an old one", function()
    local ann = register("other@reset.example")
    local verify = mailbox.secret(mailbox.wait(api, "other@reset.example", "Confirm"))
    refused(400, "INVALID_TOKEN", api:post("/auth/reset-password",
      { json = { token = verify, password = OTHER } }))
    api:post("/auth/forgot-password", { json = { email = "other@reset.example" } })
    local reset = mailbox.secret(mailbox.wait(api, "other@reset.example", "Choose"))
    refused(400, "INVALID_TOKEN", api:post("/auth/verify-email", { json = { token = reset } }))
    server:sql("UPDATE one_time_tokens SET expires_at = NOW() - INTERVAL 1 SECOND WHERE user_id = '"
      .. ann.user.id .. "'")
    refused(410, "GONE", api:post("/auth/reset-password", { json = { token = reset, password = OTHER } }))
  end)

  it("tells a stranger nothing: neither the answer nor a mail", function()
    register("known@reset.example")
    mailbox.wait(api, "known@reset.example", "Confirm")
    local known = api:post("/auth/forgot-password", { json = { email = "known@reset.example" } })
    local unknown = api:post("/auth/forgot-password", { json = { email = "unknown@reset.example" } })
    assert.equal(known.status, unknown.status)
    assert.equal(known.body, unknown.body)
    mailbox.wait(api, "known@reset.example", "Choose")
    for _ = 1, 1800 do -- the job of the unknown one has run too
      if server:sql("SELECT COUNT(*) FROM jobs WHERE name = 'identity.send_reset' AND state <> 'done'")
        :match("%d+") == "0" then
        break
      end
      servers.sleep(0.05)
    end
    assert.same({}, mailbox.list(api, "unknown@reset.example"))
  end)

  it("does not fill a mailbox", function()
    register("flood@reset.example")
    for _ = 1, 6 do
      api:post("/auth/forgot-password", { json = { email = "flood@reset.example" } })
      for _ = 1, 1800 do
        if server:sql("SELECT COUNT(*) FROM jobs WHERE state IN ('waiting', 'running') AND name IN "
          .. "('identity.send_reset', 'notifications.deliver')"):match("%d+") == "0" then
          break
        end
        servers.sleep(0.05)
      end
    end
    local count = 0
    for _, message in ipairs(mailbox.list(api, "flood@reset.example")) do
      count = count + (message.subject:find("Choose", 1, true) and 1 or 0)
    end
    assert.equal(3, count)
  end)
end)

describe("a password", function()
  it("is changed by who knows it, which ends the other sessions and is told by mail", function()
    local here = register("change@password.example")
    local there = api:login("change@password.example")
    local function change(body)
      return api:put("/users/profile", { token = here.token, json = body })
    end
    for body, field in pairs({ [{ newPassword = OTHER }] = "currentPassword",
      [{ newPassword = OTHER, currentPassword = "not it, no" }] = "currentPassword",
      [{ newPassword = "qwertyuiop1", currentPassword = PASSWORD }] = "newPassword",
      [{ newPassword = ("x9-Q"):rep(20), currentPassword = PASSWORD }] = "newPassword",
      [{ newPassword = "change@password.example", currentPassword = PASSWORD }] = "newPassword" }) do
      assert.equal(field, refused(400, "VALIDATION_ERROR", change(body)).details[1].field)
    end
    assert.equal(200, me(there.token).status)
    assert.equal(200, change({ newPassword = OTHER, currentPassword = PASSWORD }).status)
    assert.equal(200, me(here.token).status)
    assert.equal(401, me(there.token).status)
    assert.equal(401, try("change@password.example", PASSWORD).status)
    assert.equal(200, try("change@password.example", OTHER).status)
    mailbox.wait(api, "change@password.example", "Your password was changed")
  end)

  it("is not guessed with a stolen session either", function()
    local here = register("stolen@password.example")
    for _ = 1, 5 do
      assert.equal(400, api:put("/users/me", { token = here.token,
        json = { currentPassword = "not it, no", newPassword = OTHER } }).status)
    end
    refused(429, "ACCOUNT_LOCKED", api:put("/users/me", { token = here.token,
      json = { currentPassword = PASSWORD, newPassword = OTHER } }))
  end)

  it("locks longer each time", function()
    local function lock()
      for _ = 1, 5 do
        assert.equal(401, try("growing@lock.example", "not it, no").status)
      end
      local answer = try("growing@lock.example", PASSWORD)
      refused(429, "ACCOUNT_LOCKED", answer)
      server:sql("UPDATE login_failures SET locked_until = NOW() - INTERVAL 1 SECOND, updated_at = updated_at "
        .. "WHERE locked_until > NOW()")
      return tonumber(answer.headers["retry-after"])
    end
    local first, second, third = lock(), lock(), lock()
    assert.is_true(math.abs(first - 900) <= 10 and math.abs(second - 1800) <= 10
      and math.abs(third - 3600) <= 10, first .. " " .. second .. " " .. third)
  end)

  it("is one of 72 bytes at most, of which every one counts", function()
    for i, text in ipairs({ ("aX9-"):rep(18), ("\195\164X9"):rep(18) }) do -- the other in 54 characters
      assert.equal(72, #text)
      local email = ("long%d@password.example"):format(i)
      local token = register(email, { password = text }).token
      assert.equal(200, try(email, text).status)
      refused(401, "INVALID_CREDENTIALS", try(email, text .. "x"))
      refused(401, "INVALID_CREDENTIALS", try(email, text:sub(1, -2) .. "X"))
      local change = { currentPassword = text, newPassword = text .. "x" }
      local answer = api:put("/users/me", { token = token, json = change })
      assert.equal("newPassword", refused(400, "VALIDATION_ERROR", answer).details[1].field)
      answer = api:post("/auth/register", { json = { email = "longer@password.example",
        password = text .. "x", fullName = "Ann" } })
      assert.equal("password", refused(400, "VALIDATION_ERROR", answer).details[1].field)
    end
  end)

  it("with a NUL or of any length is an answer, never a failure", function()
    for _, password in ipairs({ "abc\0defghijk", ("x"):rep(73), ("x"):rep(200) }) do
      assert.equal(password:find("%z") and 400 or 401, try("viewer@riverton.example", password).status)
      assert.equal(400, api:post("/auth/register", { json = { email = "nul@password.example",
        password = password, fullName = "Ann" } }).status)
    end
  end)
end)

describe("sessions", function()
  it("are listed with their devices, and each can be ended", function()
    local here = register("two@sessions.example")
    local login = api:post("/auth/login", { json = { email = "two@sessions.example", password = PASSWORD },
      headers = { ["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0" } })
    local there = login.json.data.accessToken
    local list = api:get("/auth/sessions", { token = here.token }).json.data
    assert.equal(2, #list)
    local current, other
    for _, session in ipairs(list) do
      if session.current then
        current = session
      else
        other = session
      end
    end
    assert.equal("Firefox on Linux", other.device)
    assert.equal("127.0.0.1", other.ipAddress)
    assert.truthy(other.lastUsedAt)
    local stranger = api:login("viewer@riverton.example").token
    refused(404, "NOT_FOUND", api:delete("/auth/sessions/" .. other.id, { token = stranger }))
    assert.equal(200, api:delete("/auth/sessions/" .. other.id, { token = here.token }).status)
    assert.equal(401, me(there).status)
    assert.equal(200, me(here.token).status)
    refused(404, "NOT_FOUND", api:delete("/auth/sessions/" .. other.id, { token = here.token }))
    assert.equal(200, api:delete("/auth/sessions/" .. current.id, { token = here.token }).status)
    assert.equal(401, me(here.token).status)
  end)

  it("all end with one call", function()
    local here, there = register("all@sessions.example"), api:login("all@sessions.example")
    assert.equal(200, api:post("/auth/logout", { token = here.token, json = { all = true } }).status)
    assert.equal(401, me(here.token).status)
    assert.equal(401, me(there.token).status)
  end)
end)

describe("a person", function()
  it("has a picture of 256 px, for those who share a tenant", function()
    local tech = api:login("tech1@riverton.example")
    local function upload(bytes, tag)
      return api:post("/users/me/avatar", { token = tech.token, headers = { ["if-match"] = tag },
        multipart = { { "avatar", bytes, filename = "me.jpg", type = "image/jpeg" } } })
    end
    local function picture(token)
      return api:get("/users/" .. tech.user.id .. "/avatar", { token = token })
    end
    refused(404, "NOT_FOUND", picture(tech.token))
    refused(400, "INVALID_FILE", upload("this is no picture"))
    assert.equal(400, api:post("/users/me/avatar", { token = tech.token, multipart = { { "x", "y" } } }).status)
    assert.equal(400, api:post("/users/me/avatar", { token = tech.token }).status)
    local answer = upload(pictures.jpeg(640, 480))
    assert.equal(200, answer.status, answer.body)
    assert.equal("/api/v1/users/" .. tech.user.id .. "/avatar", answer.json.data.avatarUrl)
    refused(412, "PRECONDITION_FAILED", upload(pictures.jpeg(64, 64), '"other"'))
    assert.equal(200, upload(pictures.jpeg(640, 480), answer.headers.etag).status)
    local shown = picture(api:login("dispatcher@riverton.example").token)
    assert.equal(200, shown.status)
    assert.equal("image/webp", shown.headers["content-type"])
    assert.equal("RIFF", shown.body:sub(1, 4))
    assert.equal("WEBP", shown.body:sub(9, 12))
    local path = os.tmpname()
    local file = io.open(path, "wb")
    file:write(shown.body)
    file:close()
    local _, size = servers.shell("vipsheader " .. path .. "; rm " .. path)
    assert.truthy(size:find("256x256", 1, true), size)
    refused(404, "NOT_FOUND", picture(api:login("owner@northgrid.example").token))
    assert.equal(200, upload(pictures.jpeg(64, 64)).status) -- a small one is not refused
  end)

  it("sees what they did, in numbers and entry by entry", function()
    local citizen = api:login("citizen@riverton.example")
    local before = api:get("/users/stats", { token = citizen.token }).json.data
    api:post("/reports", { token = citizen.token, json = { title = "Loose slab", category = "other",
      location = { description = "at the church" } } })
    local after = api:get("/users/stats", { token = citizen.token }).json.data
    assert.equal(before.reportsMade + 1, after.reportsMade)
    assert.is_true(after.activeSessions >= 1)
    api:put("/users/me", { token = citizen.token, json = { phone = "+44 117 496 0199" } })
    local first = api:get("/users/activity?limit=1", { token = citizen.token }).json
    assert.equal("user.update", first.data[1].action)
    assert.equal("+44 117 496 0199", first.data[1].new.phone)
    assert.is_true(first.meta.hasMore)
    local rest = api:get("/users/activity?cursor=" .. first.meta.nextCursor, { token = citizen.token }).json
    assert.equal("report.create", rest.data[1].action)
    assert.is_nil(server:sql("SELECT GROUP_CONCAT(old_values, new_values) FROM audit_logs WHERE "
      .. "action LIKE 'user.%' OR action LIKE 'auth.%'"):find("496 0199", 1, true))
  end)

  it("takes a copy of all that is known about them", function()
    local citizen = api:login("citizen@riverton.example")
    local made = api:post("/reports", { token = citizen.token, multipart = {
      { "data", cjson.encode({ title = "Copied slab", category = "other",
        location = { description = "at the mill" } }) },
      { "photos", pictures.jpeg(64, 64), filename = "slab.jpg", type = "image/jpeg" } } })
    assert.equal(201, made.status, made.body)
    server:sql("INSERT INTO api_keys (id, tenant_id, user_id, name, prefix, key_hash, scopes, "
      .. "ip_allow_list) SELECT UUID(), tenant_id, user_id, 'gauge', 'fxk_12345678', REPEAT('0', 64), "
      .. "'[\"reports.read\"]', '[]' FROM user_tenants WHERE user_id = '" .. citizen.user.id .. "'")
    local asked = api:post("/users/export-data", { token = citizen.token })
    assert.equal(202, asked.status, asked.body)
    local location = asked.headers.location
    local copy
    for _ = 1, 1800 do
      copy = api:get(location, { token = citizen.token }).json.data
      if copy.status == "done" then
        break
      end
      servers.sleep(0.05)
    end
    assert.equal("done", copy.status)
    refused(404, "NOT_FOUND", api:get(copy.url, { token = api:login("admin@riverton.example").token }))
    local zip = api:get(copy.url, { token = citizen.token })
    assert.equal("application/zip", zip.headers["content-type"])
    assert.equal(copy.size, #zip.body)
    local path = os.tmpname()
    local file = io.open(path, "wb")
    file:write(zip.body)
    file:close()
    local code, listed = servers.shell("unzip -t " .. path)
    assert.equal(0, code, listed)
    for _, name in ipairs({ "account.json", "memberships.json", "sessions.json", "activity.json",
      "reports.json", "notifications.json", "files/" }) do
      assert.truthy(listed:find(name, 1, true), name)
    end
    local function part(name)
      local _, text = servers.shell("unzip -p " .. path .. " " .. name)
      return assert(cjson.decode(text), text)
    end
    local reports = part("reports.json")
    assert.equal("Copied slab", reports[#reports].title)
    local account, membership = part("account.json"), part("memberships.json")[1]
    assert.same({ "citizen@riverton.example" }, { account.email, account.role, account.permissions })
    assert.same({ "riverton", "public" }, { membership.slug, membership.role, membership.active })
    assert.same({ "gauge", { "reports.read" } },
      { part("api-keys.json")[1].name, part("api-keys.json")[1].scopes })
    assert.is_nil(select(2, servers.shell("unzip -p " .. path)):find(("0"):rep(64), 1, true))
    os.remove(path)
    mailbox.wait(api, "citizen@riverton.example", "Your data is ready")
    server:sql("UPDATE data_exports SET expires_at = NOW() - INTERVAL 1 SECOND")
    refused(404, "NOT_FOUND", api:get(location, { token = citizen.token }))
    refused(404, "NOT_FOUND", api:get(copy.url, { token = citizen.token }))
  end)

  it("leaves, and can register again", function()
    local ann = register("leaves@gone.example")
    assert.equal(200, api:delete("/users/profile", { token = ann.token }).status)
    assert.equal(401, me(ann.token).status)
    assert.equal(401, api:post("/auth/refresh", { json = { refreshToken = ann.refreshToken } }).status)
    refused(401, "INVALID_CREDENTIALS", try("leaves@gone.example", PASSWORD))
    assert.not_equal(ann.user.id, register("leaves@gone.example").user.id)
  end)

  it("does not leave a tenant without an owner", function()
    local owner = api:login("owner@fagioli.example")
    refused(409, "CONFLICT", api:delete("/users/me", { token = owner.token }))
    refused(409, "CONFLICT", api:delete("/users/delete-account",
      { token = owner.token, json = { password = PASSWORD } }))
    assert.equal(200, me(owner.token).status)
  end)

  it("is erased: nothing names them any more, what they did stays", function()
    local ann = register("erase@gone.example", { fullName = "Xanthippe Zweistein", tenant = "riverton",
      phone = "+44 117 496 0777", employee = { jobTitle = "Gardenerologist" } })
    mailbox.wait(api, "erase@gone.example", "Confirm")
    local report = api:post("/reports", { token = ann.token, json = { title = "Left behind",
      category = "other", location = { description = "at the church" },
      reporter = { name = "Xanthippe Zweistein", email = "erase@gone.example" } } }).json.data
    api:post("/users/me/avatar", { token = ann.token,
      multipart = { { "avatar", pictures.jpeg(64, 64), filename = "me.jpg" } } })
    api:post("/users/export-data", { token = ann.token })
    mailbox.wait(api, "erase@gone.example", "Your data is ready")
    assert.equal("password", refused(400, "VALIDATION_ERROR", api:delete("/users/delete-account",
      { token = ann.token, json = { password = "not it, no" } })).details[1].field)
    assert.equal(200, api:delete("/users/delete-account",
      { token = ann.token, json = { password = PASSWORD } }).status)
    assert.equal(401, me(ann.token).status)
    assert.equal(401, try("erase@gone.example", PASSWORD).status)
    server:sql("DELETE FROM mailbox_messages") -- what was sent is no longer ours
    local _, dump = servers.shell(("mariadb-dump --no-defaults -uroot -S %s/run/mariadb.sock "
      .. "--skip-extended-insert fixxit users sessions user_tenants notifications notification_deliveries "
      .. "one_time_tokens audit_logs reports files personal_keys jobs outbox event_log"):format(server.data))
    assert.truthy(dump:find(ann.user.id, 1, true))
    for _, word in ipairs({ "Xanthippe", "Zweistein", "erase@gone.example", "496 0777", "Gardenerologist" }) do
      assert.is_nil(dump:find(word, 1, true), word)
    end
    assert.equal("0", server:sql("SELECT (SELECT COUNT(*) FROM data_exports WHERE user_id = '" .. ann.user.id
      .. "') + (SELECT COUNT(*) FROM files WHERE uploaded_by = '" .. ann.user.id .. "')"):match("%d+"))
    local row = server:sql("SELECT first_name, last_name, erased_at IS NOT NULL FROM users WHERE id = '"
      .. ann.user.id .. "'")
    assert.equal("Deleted\tuser\t1", row:match("[^\n]+"))
    local seen = api:get("/reports/" .. report.id, { token = api:login("dispatcher@riverton.example").token })
    assert.equal(200, seen.status, seen.body)
    assert.equal("NULL", server:sql("SELECT sealed_key FROM personal_keys WHERE user_id = '"
      .. ann.user.id .. "'"):match("[^\n]+"))
  end)
end)

describe("the log", function()
  it("holds no password, secret or address", function()
    local log = server:log_text()
    log = log:match("Ctrl%-C ends it%.(.*)") or log
    for _, secret in ipairs({ PASSWORD, OTHER, "eyJhbGciOi", "@confirm.example", "@reset.example",
      "@gone.example", "token=" }) do
      assert.is_nil(log:find(secret, 1, true), secret)
    end
  end)
end)
