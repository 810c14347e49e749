local access = require("plugins.reports.rules.access")
local geo = require("plugins.reports.rules.geo")
local json = require("core.json")
local states = require("plugins.reports.rules.states")
local tracking = require("plugins.reports.rules.tracking")
local view = require("plugins.reports.rules.view")
local words = require("plugins.reports.rules.words")

describe("geohash cells", function()
  it("are those that everybody else computes", function()
    assert.equal("u4pruydqqvj", geo.encode(57.64911, 10.40744, 11))
    assert.equal("ezs42", geo.encode(42.605, -5.603, 5))
    assert.equal("s00000000", geo.encode(0, 0))
  end)

  it("of a box hold every position in it", function()
    for _, place in ipairs({ { 51.45, -2.6 }, { 0, 0 }, { -33.9, 151.2 }, { 89.9, 10 } }) do
      for _, radius in ipairs({ 5, 50, 1000, 5000 }) do
        local box = geo.box_around(place[1], place[2], radius)
        local cells = geo.cover(box, 16)
        assert.is_true(#cells >= 1 and #cells <= 16)
        for _, corner in ipairs({ { box.south, box.west }, { box.north, box.east },
          { box.south, box.east }, { place[1], place[2] } }) do
          local hash, is_covered = geo.encode(corner[1], corner[2]), false
          for _, cell in ipairs(cells) do
            is_covered = is_covered or hash:sub(1, #cell) == cell
          end
          assert.is_true(is_covered, hash .. " is not in " .. table.concat(cells, " "))
        end
      end
    end
  end)

  it("of a small box are small", function()
    assert.is_true(#geo.cover(geo.box_around(51.45, -2.6, 50), 16)[1] >= 7)
  end)
end)

describe("the distance between positions", function()
  it("is the great circle's", function()
    assert.near(343500, geo.distance(51.5074, -0.1278, 48.8566, 2.3522), 1000)
    assert.near(111.2, geo.distance(51.45, -2.6, 51.451, -2.6), 0.1)
    assert.equal(0, geo.distance(51.45, -2.6, 51.45, -2.6))
  end)
end)

describe("titles", function()
  it("are alike when half of the significant words are the same", function()
    assert.is_true(words.are_similar("Deep pothole on Mill Road", "Pothole, mill road!"))
    assert.is_true(words.are_similar("Street light out", "The light of the street is dark"))
    assert.is_false(words.are_similar("Deep pothole on Mill Road", "Fallen tree on Mill Lane"))
  end)

  it("of nothing but small words are like none", function()
    assert.is_false(words.are_similar("it is on the", "it is on the"))
  end)

  it("keep words of other scripts whole", function()
    assert.is_true(words.are_similar("Яма на дороге", "яма на дороге"))
  end)
end)

describe("tracking codes", function()
  local function counting()
    local next_byte = 0
    return function(n)
      local bytes = {}
      for i = 1, n do
        bytes[i] = string.char(next_byte % 256)
        next_byte = next_byte + 37
      end
      return table.concat(bytes)
    end
  end

  it("have 8 characters, none of which is mistaken for another", function()
    local random = counting()
    for _ = 1, 200 do
      local code = tracking.make(random)
      assert.equal(8, #code)
      assert.is_nil(code:find("[^A-Z0-9]"))
      assert.is_nil(code:find("[0OQ1IL2Z5S8BU]"))
    end
  end)

  it("never come from bytes that would favour some letters", function()
    local calls = 0
    local code = tracking.make(function(n)
      calls = calls + 1
      return (calls == 1 and "\255" or "\0"):rep(n)
    end)
    assert.equal(2, calls)
    assert.equal(code:sub(1, 1):rep(8), code)
  end)

  it("are read as people type them", function()
    local code = tracking.make(counting())
    local typed = code:sub(1, 4):lower() .. "-" .. code:sub(5) .. " "
    assert.equal(code, tracking.normalize(typed))
    assert.is_nil(tracking.normalize("ABC"))
    assert.is_nil(tracking.normalize("' OR 1=1"))
  end)
end)

describe("the life of a report", function()
  it("goes forward with the work, step by step", function()
    assert.same({ "acknowledged" }, states.steps("submitted", "acknowledged"))
    assert.same({ "acknowledged", "in_progress" }, states.steps("submitted", "in_progress"))
    assert.same({ "in_progress", "resolved" }, states.steps("reopened", "resolved"))
  end)

  it("never goes back with the work, nor on from where it has left that way", function()
    assert.same({}, states.steps("in_progress", "acknowledged"))
    assert.same({}, states.steps("resolved", "resolved"))
    for _, status in ipairs({ "closed", "rejected", "duplicate" }) do
      assert.same({}, states.steps(status, "in_progress"), status)
    end
  end)

  it("allows every step that work takes", function()
    for _, from in ipairs(states.machine.states) do
      for _, to in ipairs({ "acknowledged", "in_progress", "resolved" }) do
        local at = from
        for _, step in ipairs(states.steps(from, to)) do
          assert.is_true(states.machine:can(at, step), at .. " -> " .. step)
          at = step
        end
      end
    end
  end)
end)

describe("who may do what with a report", function()
  local report = { reporter_id = "ann", status = "submitted", tracking_code = "ACDEFGHJ" }
  local ann = { user_id = "ann" }
  local staff = { user_id = "bob", reads_all = true }
  local stranger = { user_id = "eve" }
  local nobody = {}

  it("lets staff, its owner and holders of the code read it", function()
    assert.is_true(access.can_read(staff, report))
    assert.is_true(access.can_read(ann, report))
    assert.is_true(access.can_read(nobody, report, "ACDEFGHJ"))
    assert.is_false(access.can_read(nobody, report, "ACDEFGHK"))
    assert.is_false(access.can_read(stranger, report))
  end)

  it("does not take nobody for the owner of an anonymous report", function()
    assert.is_false(access.can_read(nobody, { tracking_code = "ACDEFGHJ" }))
  end)

  it("lets the owner change it while it is submitted", function()
    assert.is_true(access.can_update(ann, report))
    assert.is_false(access.can_update(ann, { reporter_id = "ann", status = "acknowledged" }))
    assert.is_not_true(access.can_update(staff, report))
    assert.is_true(access.can_update({ updates = true }, report))
  end)
end)

describe("what is shown of a report", function()
  local row = {
    id = "1", title = "t", category = "c", severity_level = "low", status = "submitted",
    tracking_code = "ACDEFGHJ", reporter_id = "ann", tags = {}, metadata = {}, version = 1,
  }
  local contact = { name = "Ada", email = "ada@example.org", phone = "+4412345678" }

  local function holds(value, text)
    if type(value) ~= "table" then
      return tostring(value):find(text, 1, true) ~= nil
    end
    for _, item in pairs(value) do
      if holds(item, text) then
        return true
      end
    end
    return false
  end

  it("leads the public to nobody", function()
    for _, secret in ipairs({ "ada@example.org", "Ada", "+4412345678", "ann", "ACDEFGHJ" }) do
      assert.is_false(holds(view.public(row), secret), secret)
      assert.is_false(holds(view.for_anybody(view.full(row, contact)), secret), secret)
    end
  end)

  it("tells who reported in one way, as a table and as text", function()
    local anonymous = { id = "2" }
    for _, case in ipairs({ { row, contact }, { row, {} }, { row }, { anonymous, contact }, { anonymous } }) do
      assert.equal(json.encode(view.reporter(case[1], case[2]), { sorted = true }),
        view.reporter_json(case[1], case[2]))
    end
  end)

  it("gives members' rooms neither contact nor code", function()
    local data = view.for_members(view.full(row, contact))
    assert.is_nil(data.reporter)
    assert.is_nil(data.trackingCode)
    assert.equal("t", data.title)
  end)
end)
