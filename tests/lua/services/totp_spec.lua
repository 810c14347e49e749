local base32 = require("core.base32")
local totp = require("services.identity.totp")

local SECRET = "12345678901234567890" -- of both RFCs

describe("a code", function()
  it("is that of RFC 4226, appendix D", function()
    for counter, code in ipairs({ "755224", "287082", "359152", "969429", "338314", "254676",
      "287922", "162583", "399871", "520489" }) do
      assert.equal(code, totp.code(SECRET, counter - 1))
    end
  end)

  it("is that of RFC 6238, appendix B", function()
    for seconds, code in pairs({ [59] = "94287082", [1111111109] = "07081804",
      [1111111111] = "14050471", [1234567890] = "89005924", [2000000000] = "69279037",
      [20000000000] = "65353130" }) do
      assert.equal(code, totp.code(SECRET, totp.step(seconds * 1000), 8))
    end
  end)

  it("counts now and one step to either side, and only after the last one used", function()
    local now_ms = 1800000000000
    local step = totp.step(now_ms)
    for offset = -2, 2 do
      local found = totp.match(SECRET, totp.code(SECRET, step + offset), now_ms)
      assert.equal(math.abs(offset) <= 1 and step + offset or nil, found)
    end
    local code = totp.code(SECRET, step)
    assert.equal(step, totp.match(SECRET, code, now_ms, step - 1))
    assert.is_nil(totp.match(SECRET, code, now_ms, step))
    assert.is_nil(totp.match(SECRET, code, now_ms, step + 1))
    assert.is_nil(totp.match(SECRET, code:sub(1, 5), now_ms))
    assert.is_nil(totp.match(SECRET, "", now_ms))
  end)
end)

describe("the address of a secret", function()
  it("holds what apps ask for", function()
    local text, address = totp.address(SECRET, "Fixxit", "ann+x@riverton.example")
    assert.equal(SECRET, base32.decode(text))
    assert.equal("otpauth://totp/Fixxit:ann%2Bx%40riverton.example?secret=" .. text
      .. "&issuer=Fixxit&algorithm=SHA1&digits=6&period=30", address)
  end)

  it("is made of a fresh secret of 160 bits", function()
    local secret = totp.secret()
    assert.equal(20, #secret)
    assert.not_equal(secret, totp.secret())
  end)
end)
