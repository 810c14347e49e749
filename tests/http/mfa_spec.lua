-- Signing in in two steps: a code counts once, guesses are counted, and a lost phone is not the end.
local basexx = require("basexx")
local client = require("tests.support.client")
local expect = require("tests.support.expect")
local mailbox = require("tests.support.mailbox")
local servers = require("tests.support.server")
local totp = require("tests.support.totp")

local refused = expect.refused
local PASSWORD = "Fixxit-demo-2026"

local server, api

setup(function()
  server = servers.start()
  api = server.api
end)

teardown(function()
  server:stop()
end)

local function setup_of(token)
  return api:post("/auth/mfa/setup", { token = token })
end

local function login(email, more)
  local body = { email = email, password = PASSWORD }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  return api:post("/auth/login", { json = body })
end

local function second_step(body)
  return api:post("/auth/mfa/verify", { json = body })
end

-- A new account with the second step on; the code of the step before now is used up.
local function with_factor(email)
  local answer = api:post("/auth/register", { json = { email = email, password = PASSWORD,
    fullName = "Ann Archer" } })
  assert.equal(201, answer.status, answer.body)
  local token = answer.json.data.accessToken
  local secret = setup_of(token).json.data.secret
  totp.settle()
  local code = totp.code(secret, -1)
  local on = api:post("/auth/mfa/enable", { token = token, json = { code = code } })
  assert.equal(200, on.status, on.body)
  return { email = email, token = token, secret = secret, code = code, codes = on.json.data.recoveryCodes,
    id = answer.json.data.user.id }
end

describe("the second step", function()
  it("is set up by a secret that apps read, and comes into force with a code", function()
    local ann = api:login("viewer@riverton.example")
    local answer = setup_of(ann.token)
    assert.equal(200, answer.status)
    assert.equal("no-store", answer.headers["cache-control"])
    local given = answer.json.data
    assert.equal(20, #basexx.from_base32(given.secret))
    assert.equal("otpauth://totp/Fixxit:viewer%40riverton.example?secret=" .. given.secret
      .. "&issuer=Fixxit&algorithm=SHA1&digits=6&period=30", given.otpauthUrl)
    assert.equal("<svg ", given.qrSvg:sub(1, 5))
    assert.is_nil(server:sql("SELECT HEX(mfa_secret) FROM users"):find(
      (basexx.from_base32(given.secret):gsub(".", function(c)
        return ("%02X"):format(c:byte())
      end)), 1, true))
    assert.equal(200, login("viewer@riverton.example").status) -- not in force yet
    totp.settle()
    for _, code in ipairs({ totp.code(given.secret, 5), "000000x", "", "12345" }) do
      assert.equal(400, api:post("/auth/mfa/enable", { token = ann.token, json = { code = code } }).status)
    end
    local on = api:post("/auth/mfa/enable", { token = ann.token, json = { code = totp.code(given.secret) } })
    assert.equal(200, on.status, on.body)
    assert.equal(10, #on.json.data.recoveryCodes)
    assert.is_true(api:get("/users/me", { token = ann.token }).json.data.mfaEnabled)
    refused(409, "CONFLICT", setup_of(ann.token))
    refused(409, "CONFLICT", api:post("/auth/mfa/enable",
      { token = ann.token, json = { code = totp.code(given.secret) } }))
    mailbox.wait(api, "viewer@riverton.example", "Two-step sign-in is on")
  end)

  it("shows a QR code that readers read", function()
    local ann = api:login("tech2@riverton.example")
    local given = setup_of(ann.token).json.data
    local path = os.tmpname()
    local file = io.open(path .. ".svg", "w")
    file:write(given.qrSvg)
    file:close()
    local code, text = servers.shell(("vips thumbnail %s.svg %s.png 600 && zbarimg -q --raw %s.png"):format(
      path, path, path))
    os.execute(("rm -f %s %s.svg %s.png"):format(path, path, path))
    assert.equal(0, code, text)
    assert.truthy(text:find(given.otpauthUrl, 1, true), text)
  end)

  it("is asked for after the right password, and only then", function()
    local ann = with_factor("asked@mfa.example")
    refused(401, "INVALID_CREDENTIALS", login(ann.email, { password = "not it, no" }))
    local challenge = refused(401, "MFA_REQUIRED", login(ann.email))
    assert.equal(401, api:get("/users/me", { token = challenge.mfaToken }).status)
    local answer = second_step({ mfaToken = challenge.mfaToken, code = totp.code(ann.secret) })
    assert.equal(200, answer.status, answer.body)
    assert.equal(ann.email, answer.json.data.user.email)
    assert.equal(200, api:get("/users/me", { token = answer.json.data.accessToken }).status)
    assert.equal(200, api:post("/auth/refresh",
      { json = { refreshToken = answer.json.data.refreshToken } }).status)
    refused(400, "INVALID_TOKEN", second_step({ mfaToken = challenge.mfaToken,
      code = totp.code(ann.secret, 1) })) -- the token is good once
  end)

  it("takes a code once, also when it comes from many places at once", function()
    local ann = with_factor("once@mfa.example")
    refused(401, "INVALID_CODE", login(ann.email, { mfaCode = ann.code })) -- that switched it on
    local code = totp.code(ann.secret)
    local calls = {}
    for i = 1, 4 do
      local token = refused(401, "MFA_REQUIRED", login(ann.email)).mfaToken
      calls[i] = function()
        return second_step({ mfaToken = token, code = code })
      end
    end
    local right, wrong = 0, 0
    for _, answer in ipairs(client.at_once(calls)) do
      right = right + (answer.status == 200 and 1 or 0)
      wrong = wrong + (answer.status == 401 and answer.json.error.code == "INVALID_CODE" and 1 or 0)
    end
    assert.same({ 1, 3 }, { right, wrong })
    refused(401, "INVALID_CODE", login(ann.email, { mfaCode = code }))
  end)

  it("takes the code of the step before and after, no other", function()
    local ann = with_factor("window@mfa.example")
    refused(401, "INVALID_CODE", login(ann.email, { mfaCode = totp.code(ann.secret, 3) }))
    refused(401, "INVALID_CODE", login(ann.email, { mfaCode = totp.code(ann.secret, -3) }))
    assert.equal(200, login(ann.email, { mfaCode = totp.code(ann.secret, 1) }).status)
    refused(401, "INVALID_CODE", login(ann.email, { mfaCode = totp.code(ann.secret) })) -- an earlier step
  end)

  it("counts wrong codes and locks, also when they come at once", function()
    local ann = with_factor("guessed@mfa.example")
    local challenge = refused(401, "MFA_REQUIRED", login(ann.email))
    local calls = {}
    for i = 1, 12 do
      calls[i] = function()
        return second_step({ mfaToken = challenge.mfaToken, code = ("%06d"):format(i) })
      end
    end
    local wrong, locked = 0, 0
    for _, answer in ipairs(client.at_once(calls)) do
      wrong = wrong + (answer.status == 401 and 1 or 0)
      locked = locked + (answer.status == 429 and answer.json.error.code == "ACCOUNT_LOCKED" and 1 or 0)
    end
    assert.same({ 5, 7 }, { wrong, locked })
    refused(429, "ACCOUNT_LOCKED", second_step({ mfaToken = challenge.mfaToken,
      code = totp.code(ann.secret) }))
    refused(429, "ACCOUNT_LOCKED", login(ann.email, { mfaCode = totp.code(ann.secret) }))
  end)

  it("does not forget wrong codes when the password is given again", function()
    local ann = with_factor("patient@mfa.example")
    for _ = 1, 5 do
      local challenge = refused(401, "MFA_REQUIRED", login(ann.email))
      refused(401, "INVALID_CODE", second_step({ mfaToken = challenge.mfaToken, code = "000000" }))
    end
    refused(429, "ACCOUNT_LOCKED", login(ann.email))
  end)

  it("ends after five minutes, and with a new password", function()
    local ann = with_factor("slow@mfa.example")
    local challenge = refused(401, "MFA_REQUIRED", login(ann.email))
    server:sql("UPDATE one_time_tokens SET expires_at = NOW() - INTERVAL 1 SECOND WHERE purpose = 'mfa'")
    refused(410, "GONE", second_step({ mfaToken = challenge.mfaToken, code = totp.code(ann.secret) }))
    challenge = refused(401, "MFA_REQUIRED", login(ann.email))
    assert.equal(200, api:put("/users/me", { token = ann.token,
      json = { currentPassword = PASSWORD, newPassword = "Hjkl-4242-uiop" } }).status)
    refused(400, "INVALID_TOKEN", second_step({ mfaToken = challenge.mfaToken,
      code = totp.code(ann.secret) }))
  end)

  it("takes each recovery code once, however it is written", function()
    local ann = with_factor("lost@mfa.example")
    local function recover(code)
      local challenge = refused(401, "MFA_REQUIRED", login(ann.email))
      return second_step({ mfaToken = challenge.mfaToken, recoveryCode = code })
    end
    assert.equal(200, recover(ann.codes[1]).status)
    refused(401, "INVALID_CODE", recover(ann.codes[1]))
    assert.equal(200, recover(ann.codes[2]:upper():gsub("-", " ")).status)
    refused(401, "INVALID_CODE", recover("aaaa-bbbb-cccc-dddd"))
    local other = with_factor("other@mfa.example")
    refused(401, "INVALID_CODE", recover(other.codes[1]))
    assert.is_nil(server:sql("SELECT GROUP_CONCAT(code_hash) FROM recovery_codes"):find(
      ann.codes[3]:gsub("-", ""), 1, true))
  end)

  it("is switched off by the password and a code together", function()
    local ann = with_factor("off@mfa.example")
    local function off(body)
      return api:post("/auth/mfa/disable", { token = ann.token, json = body })
    end
    assert.equal(400, off({ password = PASSWORD }).status)
    assert.equal(400, off({ code = totp.code(ann.secret) }).status)
    assert.equal(400, off({ password = PASSWORD, code = totp.code(ann.secret), recoveryCode = ann.codes[1] }).status)
    refused(400, "VALIDATION_ERROR", off({ password = "not it, no", code = totp.code(ann.secret) }))
    refused(401, "INVALID_CODE", off({ password = PASSWORD, code = "000000" }))
    assert.equal(200, off({ password = PASSWORD, code = totp.code(ann.secret) }).status)
    assert.equal(200, login(ann.email).status)
    refused(409, "CONFLICT", off({ password = PASSWORD, code = totp.code(ann.secret, 1) }))
    mailbox.wait(api, ann.email, "Two-step sign-in is off")
  end)

  it("keeps the refresh token in a cookie where that was asked for", function()
    local ann = with_factor("cookie@mfa.example")
    local challenge = refused(401, "MFA_REQUIRED", api:post("/auth/login?cookie=true",
      { json = { email = ann.email, password = PASSWORD } }))
    local answer = api:post("/auth/mfa/verify?cookie=true",
      { json = { mfaToken = challenge.mfaToken, code = totp.code(ann.secret) } })
    assert.equal(200, answer.status, answer.body)
    assert.is_nil(answer.json.data.refreshToken)
    assert.matches("fixxit_refresh=[^;]+;.*HttpOnly", answer.headers["set-cookie"])
  end)
end)
