-- What a tenant sets for itself, what of it is refused, and that reports go by it.
local cjson = require("cjson.safe")
local expect = require("tests.support.expect")
local mailbox = require("tests.support.mailbox")
local servers = require("tests.support.server")

local ok, refused, wrong_fields = expect.ok, expect.refused, expect.wrong_fields

local PATH = "/admin/settings"
local HOUR_MS = 3600000

local server, api, owner, northgrid

setup(function()
  server = servers.start()
  api = server.api
  owner = api:login("owner@riverton.example")
  northgrid = api:login("owner@northgrid.example")
end)

teardown(function()
  server:stop()
end)

local function by(who, json, headers)
  return { token = who.token, json = json, headers = headers }
end

local function put(who, changes, headers)
  return api:put(PATH, by(who, changes, headers))
end

local function ms(text)
  local code, output = servers.shell("date -u -d '" .. text .. "' +%s%3N")
  assert.equal(0, code, output)
  return tonumber(output)
end

local function hours_left(report)
  return (ms(report.slaDueAt) - ms(report.createdAt)) / HOUR_MS
end

local function report(more)
  local body = { title = "Broken thing", category = "other", location = { description = "here" } }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  return api:post("/reports", by(northgrid, body))
end

describe("the settings of a tenant", function()
  it("are null until they are set, and again when they are taken back", function()
    local before = ok(api:get(PATH, by(northgrid)))
    assert.same({ "Europe/London", cjson.null, cjson.null },
      { before.timezone, before.categories, before.slaHours })
    local all = {
      branding = { displayName = "Northgrid", primaryColor = "#1f5fbf",
        logoUrl = "https://northgrid.example/logo.svg" },
      timezone = "Europe/Rome",
      languages = { "en", "pt-BR" },
      businessHours = { monday = { { from = "08:00", to = "12:00" }, { from = "13:00", to = "24:00" } } },
      holidays = { { date = "2026-12-25", name = "Christmas" } },
      slaHours = { low = 100, critical = 0.5 },
      scripts = { allowedHosts = { "api.example", "127.0.0.1:8080" } },
    }
    local after = ok(put(northgrid, all))
    for name, value in pairs(all) do
      assert.same(value, after[name], name)
    end
    assert.same(after, ok(api:get(PATH, by(northgrid))))
    after = ok(put(northgrid, { timezone = cjson.null, holidays = cjson.null, branding = cjson.null,
      slaHours = cjson.null, businessHours = cjson.null }))
    assert.same({ "UTC", cjson.null, {}, { "en", "pt-BR" } },
      { after.timezone, after.holidays, after.branding, after.languages })
    local told = server:sql("SELECT new_values FROM audit_logs WHERE action = 'settings.update' "
      .. "ORDER BY id LIMIT 1")
    assert.truthy(told:find("Europe/Rome", 1, true) and told:find("Christmas", 1, true)
      and told:find("#1f5fbf", 1, true), told)
  end)

  it("take no business hours that name no day: they would be open day and night", function()
    local function put_hours(hours)
      return api:put(PATH, { token = northgrid.token, body = '{"businessHours":' .. hours .. "}",
        headers = { ["content-type"] = "application/json" } })
    end
    local span = '[{"from":"08:00","to":"17:00"}]'
    for _, hours in ipairs({ "{}", '{"sunday":[]}', '{"mon":' .. span .. "}" }) do
      assert.same({ "businessHours" }, wrong_fields(put_hours(hours)), hours)
    end
    local hours = ok(put_hours('{"sunday":[],"monday":' .. span .. "}")).businessHours
    assert.same({ sunday = {}, monday = { { from = "08:00", to = "17:00" } } }, hours)
    assert.equal(cjson.null, ok(put_hours("null")).businessHours)
  end)

  it("take ports that there are", function()
    local hosts = { "a.example", "a.example:1", "127.0.0.1:65535" }
    assert.same(hosts, ok(put(northgrid, { scripts = { allowedHosts = hosts } })).scripts.allowedHosts)
    local answer = put(northgrid, { scripts = { allowedHosts = { "127.0.0.1:0", "a.example", "localhost:99999",
      "a.example:", "a.example:080", "a.example:99999999999999999999" } } })
    assert.same({ "scripts.allowedHosts[0]", "scripts.allowedHosts[2]", "scripts.allowedHosts[3]",
      "scripts.allowedHosts[4]", "scripts.allowedHosts[5]" }, wrong_fields(answer))
    assert.equal("must have a port of 1 to 65535", answer.json.error.details[1].message)
  end)

  it("tell all that is wrong at once", function()
    assert.same({ "branding.primaryColor", "businessHours.monday[0].to", "categories[0].code",
      "categories[0].fields[0].options", "categories[1].severity", "emailDomain",
      "holidays[0].date", "languages[0]", "scripts.allowedHosts[0]", "slaHours.high", "timezone" },
      wrong_fields(put(northgrid, {
        branding = { primaryColor = "red" },
        businessHours = { monday = { { from = "18:00", to = "09:00" } } },
        categories = { { code = "No", name = "No", fields = { { name = "kind", label = "Kind",
          type = "choice" } } }, { code = "yes", name = "Yes", severity = "awful" } },
        emailDomain = "gmail.com",
        holidays = { { date = "2026-02-30", name = "Never" } },
        languages = { "Klingon" },
        scripts = { allowedHosts = { "http://x/" } },
        slaHours = { high = -1 },
        timezone = "Europe/Atlantis",
      })))
    for _, zone in ipairs({ "../../etc/passwd", "Europe", "tzdata.zi", "Europe/Rome/", "/UTC" }) do
      assert.same({ "timezone" }, wrong_fields(put(northgrid, { timezone = zone })), zone)
    end
    assert.same({ "categories[1].code" }, wrong_fields(put(northgrid, { categories = {
      { code = "a", name = "A" }, { code = "a", name = "B" } } })))
    assert.same({ "categories" }, wrong_fields(put(northgrid, { categories = {} })))
  end)

  it("are changed under the version that was read, by those who may", function()
    local read = api:get(PATH, by(northgrid))
    local tag = { ["if-match"] = read.headers.etag }
    assert.equal(304, api:get(PATH, by(northgrid, nil, { ["if-none-match"] = read.headers.etag })).status)
    ok(put(northgrid, { languages = { "de" } }, tag))
    refused(412, "PRECONDITION_FAILED", put(northgrid, { languages = { "fr" } }, tag))
    refused(403, "FORBIDDEN", api:get(PATH, by(api:login("dispatcher@northgrid.example"))))
    refused(401, "UNAUTHORIZED", api:get(PATH))
    assert.same({ "en" }, ok(api:get(PATH, by(owner))).languages)
  end)

  it("take an e-mail domain from who has a confirmed address there, and from one tenant", function()
    assert.equal("northgrid.example", ok(put(northgrid, { emailDomain = "northgrid.example" })).emailDomain)
    assert.same({ "emailDomain" }, wrong_fields(put(northgrid, { emailDomain = "riverton.example" })))
    server:sql("UPDATE users SET email_verified = FALSE WHERE email = 'owner@riverton.example'")
    assert.same({ "emailDomain" }, wrong_fields(put(owner, { emailDomain = "riverton.example" })))
    server:sql("UPDATE users SET email_verified = TRUE, email = 'owner2@northgrid.example' "
      .. "WHERE email = 'owner@riverton.example'")
    assert.equal("emailDomain", refused(409, "CONFLICT",
      put(owner, { emailDomain = "northgrid.example" })).details[1].field)
    local made = ok(api:post("/auth/register", { json = { email = "new@northgrid.example",
      password = "Fixxit-demo-2026", fullName = "Nia New" } }))
    ok(api:post("/auth/verify-email", { json = { token = mailbox.secret(
      mailbox.wait(api, made.user.email, "Confirm")) } }))
    assert.equal("member", api:login("new@northgrid.example").user.role)
  end)

  it("do not end the connections of the tenant's people", function()
    local socket = api:socket("token=" .. northgrid.token)
    socket:expect("auth:ok")
    ok(put(northgrid, { languages = { "en" } }))
    local made = ok(report())
    assert.equal(made.id, socket:expect_event("report:created").data.id)
    socket:close()
  end)
end)

describe("reports", function()
  it("take the tenant's own categories, with what each wants to know", function()
    ok(put(northgrid, { categories = {
      { code = "mast", name = "Mast", severity = "high", slaHours = 6, fields = {
        { name = "number", label = "Number", required = true },
        { name = "height", label = "Height", type = "number" },
        { name = "kind", label = "Kind", type = "choice", options = { "wood", "steel" } } } },
      { code = "cable", name = "Cable" },
    } }))
    local shown = ok(api:get("/reports/categories", { tenant = "northgrid" }))
    assert.same({ "mast", "cable", "number" }, { shown[1].code, shown[2].code, shown[1].fields[1].name })
    assert.same({ "category" }, wrong_fields(report()))
    assert.same({ "metadata.height", "metadata.kind", "metadata.number" }, wrong_fields(report({
      category = "mast", metadata = { height = "tall", kind = "glass", number = "" } })))
    assert.same({ "metadata.number", "title" }, wrong_fields(report({ category = "mast", title = "x" })))
    local made = ok(report({ category = "mast", metadata = { number = "M 7", kind = "wood" } }))
    assert.same({ "high", 6 }, { made.severity, hours_left(made) })
    ok(put(northgrid, { categories = cjson.null }))
    assert.equal("roads", ok(api:get("/reports/categories", { tenant = "northgrid" }))[1].code)
  end)

  it("are due by the category's hours, else by the severity's, else by the platform's", function()
    ok(put(northgrid, { slaHours = { medium = 10, critical = 1 } }))
    local made = ok(report())
    assert.equal(10, hours_left(made))
    assert.equal(120, hours_left(ok(report({ category = "parks" })))) -- low has none of the tenant
    local worse = ok(api:put("/reports/" .. made.id, by(northgrid, { severity = "critical" })))
    assert.equal(1, hours_left(worse))
    ok(put(northgrid, { slaHours = cjson.null }))
    assert.equal(96, hours_left(ok(report())))
  end)
end)
