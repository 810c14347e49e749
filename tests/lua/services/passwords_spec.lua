local passwords = require("services.identity.passwords")

local function refused(password, personal)
  return passwords.problem(password, personal) ~= nil
end

describe("a password", function()
  it("is refused when it is short, or longer than bcrypt looks at", function()
    assert.is_true(refused("Zx9!kkfj"))
    assert.is_false(refused("Zx9!kkfjw0"))
    assert.is_false(refused("\195\164\195\164-\195\182\195\182-\195\188\195\188-42"))
    assert.is_true(refused("\195\164\195\164-\195\182\195\182-4")) -- ten bytes, seven characters
    assert.is_false(refused(("aX9-"):rep(17) .. "Zq7!"))
    assert.is_true(refused(("aX9-"):rep(17) .. "Zq7!w"))
    assert.is_true(refused("Zx9!kkfj\0w03"))
  end)

  it("is refused when it is tried first, however it is decorated", function()
    for _, word in ipairs({ "1234567890", "password123", "Passw0rd2026!", "P@ssw0rd!!", "QWERTYuiop",
      "1q2w3e4r5t", "1qaz2wsx3edc", "aaaaaaaaaaaa", "abcabcabcabc", "!!iloveyou!!", "Welcome2026",
      "zaq12wsxcde3", "summer2026!", "passwordpassword", "letmein12345", "administrator",
      "correcthorsebatterystaple", "abcdefghij12", "S3cr3t!!!!", "9876543210", "Superman123" }) do
      assert.is_true(refused(word), word)
    end
  end)

  it("is taken when it is not", function()
    for _, word in ipairs({ "Fixxit-demo-2026", "Hjkl-4242-uiop", "purple-monkey-dishwasher",
      "Lamp-post-77-green", "kj3h4kq5z34v", "Tr0ub4dor&3x", "correct horse battery" }) do
      assert.is_false(refused(word), word)
    end
  end)

  it("is refused when it is one's own name or address", function()
    assert.is_true(refused("Ann.Archer@x.example", { "ann.archer@x.example" }))
  end)

  it("of more than 72 bytes is never right, whatever lies behind", function()
    local long = ("aX9-"):rep(18)
    local hash = passwords.hash(long)
    assert.is_true(passwords.verify(long, hash))
    assert.is_false(passwords.verify(long .. "x", hash))
    assert.is_false(passwords.verify(long .. "\0", hash))
  end)
end)
