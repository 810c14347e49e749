local base32 = require("core.base32")

-- RFC 4648 section 10, without its padding.
local PUBLISHED = { [""] = "", f = "MY", fo = "MZXQ", foo = "MZXW6", foob = "MZXW6YQ",
  fooba = "MZXW6YTB", foobar = "MZXW6YTBOI" }

describe("base32", function()
  it("writes and reads the published examples", function()
    for bytes, text in pairs(PUBLISHED) do
      assert.equal(text, base32.encode(bytes))
      assert.equal(bytes, base32.decode(text))
      assert.equal(bytes, base32.decode(text:lower() .. "=="))
    end
  end)

  it("keeps any bytes", function()
    local all = {}
    for i = 0, 255 do
      all[#all + 1] = string.char(i)
    end
    local bytes = table.concat(all)
    assert.equal(bytes, base32.decode(base32.encode(bytes)))
  end)

  it("refuses what is no base32", function()
    for _, text in ipairs({ "0", "1", "8", "MY MY", "MY-", "\255" }) do
      assert.is_nil(base32.decode(text), text)
    end
  end)
end)
