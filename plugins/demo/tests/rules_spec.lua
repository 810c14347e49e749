-- What the demo world is made of: pictures, an agenda, and lives.
local agendas = require("plugins.demo.agenda")
local past = require("plugins.demo.past")
local png = require("plugins.demo.png")

describe("a drawn picture", function()
  it("is a PNG with checksums that hold", function()
    local bytes = png.encode({ "\0\1", "\1\0" }, { { 0, 0, 0 }, { 255, 255, 255 } })
    assert.equal("\137PNG\r\n\26\n", bytes:sub(1, 8))
    -- IEND is empty, so its checksum is known.
    assert.equal("IEND\174\66\96\130", bytes:sub(-8))
  end)
end)

describe("an agenda", function()
  it("does in order of time what is due by now, and nothing else", function()
    local agenda, seen = agendas.new(), {}
    local world = { go = function(_, ms)
      seen[#seen + 1] = ms
    end }
    for _, at_ms in ipairs({ 30, 10, 20, 40 }) do
      agenda:add(at_ms, function()
        seen[#seen + 1] = "done " .. at_ms
      end)
    end
    agenda:run(world, 30)
    assert.same({ 10, "done 10", 20, "done 20", 30, "done 30", 30 }, seen)
  end)
end)

describe("the past", function()
  local DAY_MS = 86400000
  local NOW_MS = 1764000000000

  -- {when, title, place} of each report.
  local function told(now_ms)
    local list = {}
    for i, life in ipairs(past.plan(agendas.new(), now_ms)) do
      list[i] = { life.at_ms, life.hazard.title, life.hazard.place.description }
    end
    return list
  end

  it("is the same each time", function()
    assert.same(told(NOW_MS), told(NOW_MS))
  end)

  it("has two months, and danger for rules to be tried on, on whatever weekday it is made", function()
    for days = 0, 6 do
      local now_ms, dangers = NOW_MS + days * DAY_MS, 0
      local lives = past.plan(agendas.new(), now_ms)
      assert.equal(past.COUNT, #lives)
      assert.is_true(lives[1].at_ms > now_ms - 60 * DAY_MS and lives[1].at_ms < now_ms - 50 * DAY_MS)
      for i = #lives - 99, #lives do
        local hazard = lives[i].hazard
        dangers = dangers + (hazard.category == "electrical" and hazard.severity == "critical" and 1 or 0)
      end
      assert.is_true(dangers > 0, days)
    end
  end)

  it("says of each place each thing once, or says that it was said", function()
    local seen = {}
    for _, one in ipairs(told(NOW_MS)) do
      local key = one[2] .. one[3]
      assert.is_nil(seen[key], key)
      seen[key] = true
    end
  end)
end)
