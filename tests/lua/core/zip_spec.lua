-- What other programs read of our archives is asked in tests/http; here the bytes that must be right.
local zip = require("core.zip")

local function archive(members)
  local pieces = {}
  local made = zip.new(function(bytes)
    pieces[#pieces + 1] = bytes
  end)
  for _, member in ipairs(members) do
    made:add(member[1], member[2], 1700000000000)
  end
  made:finish()
  return table.concat(pieces)
end

describe("zip", function()
  it("counts the check value of CRC-32", function()
    assert.equal(0xCBF43926, zip.crc32("123456789"))
    assert.equal(0, zip.crc32(""))
  end)

  it("writes members, then the directory that finds them", function()
    local bytes = archive({ { "a.txt", "hello" }, { "b/\195\164.bin", "\0\1\2" } })
    assert.equal("PK\3\4", bytes:sub(1, 4))
    assert.truthy(bytes:find("a.txthello", 1, true))
    local ending = bytes:sub(-22)
    assert.equal("PK\5\6", ending:sub(1, 4))
    assert.equal(2, ending:byte(11)) -- members
    local directory_at = ending:byte(17) + ending:byte(18) * 256
    assert.equal("PK\1\2", bytes:sub(directory_at + 1, directory_at + 4))
    assert.equal(8, bytes:byte(directory_at + 10)) -- names are UTF-8
  end)

  it("is valid when it is empty", function()
    assert.equal("PK\5\6" .. ("\0"):rep(18), archive({}))
  end)
end)
