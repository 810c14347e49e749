local networks = require("core.networks")

describe("networks", function()
  local function contains(network, ip)
    return networks.contain({ (assert(networks.parse(network), network)) }, ip)
  end

  it("hold the addresses that begin as they do", function()
    for _, case in ipairs({
      { "10.0.0.0/8", "10.255.1.2", "11.0.0.0" },
      { "192.0.2.128/25", "192.0.2.255", "192.0.2.127" },
      { "192.0.2.7", "192.0.2.7", "192.0.2.8" },
      { "192.0.2.0/24", "::ffff:192.0.2.9", "::192.0.2.9" },
      { "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
      { "::1", "::1", "::2" },
      { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:9" },
      { "1::", "1:0:0:0:0:0:0:0", "1::1" },
      { "0.0.0.0/0", "203.0.113.5", "::1" },
      { "::/0", "203.0.113.5", "" },
    }) do
      assert.is_true(contains(case[1], case[2]), case[1] .. " " .. case[2])
      assert.is_false(contains(case[1], case[3]), case[1] .. " " .. case[3])
    end
    assert.is_false(networks.contain({}, "10.0.0.1"))
    assert.is_false(networks.contain({ networks.parse("::/0") }, "nonsense"))
  end)

  it("are told from what is none", function()
    for _, text in ipairs({ "", "/", "10.0.0", "10.0.0.0/33", "10.0.0.256", "10.0.0.0/", "10.0.0.01",
      "10.0.0.0/-1", "1.2.3.4.5", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7::8:9", "::/129", "12345::", "g::", ":1", "1:", "1.2.3.4:5", "::1.2.3.4:5",
      "example.org", " 10.0.0.1", "10.0.0.1 " }) do
      assert.is_nil(networks.parse(text), text)
    end
  end)
end)
