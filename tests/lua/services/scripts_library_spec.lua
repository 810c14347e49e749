-- What the prelude gives scripts without asking anybody. The chunks are plain Lua: here they run on
-- primitives that stand for the sandbox's.
local json = require("core.json")
local sys = require("core.sys")
local time = require("core.time")

local FOLDER = "/lua/services/scripts/prelude/"

describe("the library of scripts", function()
  local names, lines, state

  local function load_chunks()
    names, lines, state = {}, {}, nil
    local sandbox = {
      json_encode = json.encode, json_decode = json.decode, array = json.array, null = json.null,
      log_line = function(line)
        lines[#lines + 1] = line
      end,
      state = function()
        return state
      end,
      fail = function(code, message)
        error({ code = code, message = message }, 0)
      end,
      define = function(name, value, call)
        names[name] = call and setmetatable(value, { __call = call }) or value
      end,
    }
    for _, name in ipairs({ "values", "clock", "geo" }) do
      assert(loadfile(sys.root() .. FOLDER .. name .. ".lua"))(sandbox)
    end
    names.time = sandbox.groups.time
    return sandbox
  end

  local function fails(pattern, fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    assert.equal("SCRIPT_ERROR", err.code)
    assert.matches(pattern, err.message)
  end

  local sandbox
  before_each(function()
    sandbox = load_chunks()
    state = { input = { now = "2026-03-01T08:00:00.000Z" } }
  end)

  it("logs values of any kind in one line", function()
    names.log("found", 3, true, nil, json.array({ 1, "x" }))
    assert.same({ 'found 3 true nil [1,"x"]' }, lines)
  end)

  it("encodes, decodes, and answers routes", function()
    assert.equal('{"a":[1]}', names.json.encode({ a = { 1 } }))
    assert.same({ 1, 2 }, names.json.decode("[1,2]"))
    fails("takes text", names.json.decode, 7)
    assert.same({ status = 200, body = { 1 } }, sandbox.route_answer(names.json({ 1 })))
    assert.same({ status = 404, body = "no" }, sandbox.route_answer(names.json("no", 404)))
    assert.same({ status = 200 }, sandbox.route_answer(nil))
    fails("must return json", sandbox.route_answer, { status = 200, body = "made by hand" })
    for _, status in ipairs({ 99, 302, 600, 200.5, "200" }) do
      fails("200 to 299 or 400 to 599", names.json, "x", status)
    end
  end)

  it("adds to times and tells how far apart they are", function()
    assert.equal("2026-03-01T08:00:00.000Z", names.now())
    for _, case in ipairs({
      { "2026-03-01T08:00:00Z", "30m", "2026-03-01T08:30:00.000Z" },
      { "2026-03-01T08:00:00.250Z", "1h30m", "2026-03-01T09:30:00.250Z" },
      { "2026-03-01T08:00:00Z", "-1d", "2026-02-28T08:00:00.000Z" },
      { "2024-02-28T23:59:59.999Z", "1s", "2024-02-29T00:00:00.999Z" },
      { "2026-12-31T00:00:00Z", "1w", "2027-01-07T00:00:00.000Z" },
      { "1969-12-31T23:00:00Z", "2h", "1970-01-01T01:00:00.000Z" },
      { "2026-03-01", 90.5, "2026-03-01T00:01:30.500Z" },
      { "2026-03-01T08:00:00+02:00", "0s", "2026-03-01T06:00:00.000Z" },
      { "1900-03-01T00:00:00Z", "-1d", "1900-02-28T00:00:00.000Z" },
    }) do
      assert.equal(case[3], names.time.add(case[1], case[2]))
    end
    assert.equal(86400, names.time.diff("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"))
    assert.equal(-0.5, names.time.diff("2026-02-28T00:00:00.500Z", "2026-02-28T00:00:00.000Z"))
    for ms = -5e12, 5e12, 7e10 + 12345678 do -- the same calendar as the worker's
      assert.equal(time.iso(ms + 1000), names.time.add(time.iso(ms), 1))
    end
    for _, text in ipairs({ "yesterday", "2026-02-30", "2026-13-01", "2026-03-01T08:00:00", "2026-03-01T8:00Z", "" }) do
      fails("takes a time such as", names.time.add, text, "1h")
    end
    fails("takes a time such as", names.time.diff, nil, "2026-03-01")
    for _, amount in ipairs({ "1 hour", "h", "1x", "1h-", "--1h", "1h2", "", {}, 0 / 0 }) do
      fails("takes a duration", names.time.add, "2026-03-01", amount)
    end
    fails("years 1 to 9999", names.time.add, "9999-12-31", "2d")
    state = nil
    fails("while a hook runs", names.now)
  end)

  it("measures distances and finds places in areas", function()
    local london, paris = { latitude = 51.5074, longitude = -0.1278 }, { latitude = 48.8566, longitude = 2.3522 }
    assert.is_true(math.abs(names.geo.distance(london, paris) - 343556) < 100)
    assert.equal(0, names.geo.distance(london, london))
    assert.is_true(math.abs(names.geo.distance({ latitude = 0, longitude = 179.5 },
      { latitude = 0, longitude = -179.5 }) - 111195) < 1)
    local square = { { 0, 0 }, { 10, 0 }, { 10, 10 }, { 0, 10 }, { 0, 0 } }
    local hole = { { 4, 4 }, { 6, 4 }, { 6, 6 }, { 4, 6 } }
    local polygon = { type = "Polygon", coordinates = { square, hole } }
    local function at(longitude, latitude)
      return { latitude = latitude, longitude = longitude }
    end
    assert.is_true(names.geo.inside(at(1, 1), polygon))
    assert.is_false(names.geo.inside(at(5, 5), polygon)) -- in the hole
    assert.is_false(names.geo.inside(at(11, 5), polygon))
    local both = { type = "MultiPolygon", coordinates = { { square }, { { { 20, 0 }, { 22, 0 }, { 21, 2 } } } } }
    assert.is_true(names.geo.inside(at(21, 1), both))
    assert.is_false(names.geo.inside(at(15, 1), both))
    assert.is_true(names.geo.inside(at(1, 1), { at(0, 0), at(3, 0), at(3, 3), at(0, 3) }))
    fails("latitude and longitude", names.geo.distance, london, {})
    fails("latitude and longitude", names.geo.inside, { latitude = 91, longitude = 0 }, polygon)
    for _, area in ipairs({ "here", { type = "Point", coordinates = { 1, 2 } }, {},
      { type = "Polygon" }, { type = "Polygon", coordinates = {} },
      { type = "MultiPolygon" }, { type = "MultiPolygon", coordinates = { 1 } },
      { type = "Polygon", coordinates = { { { 0, 0 } } } }, { { 1 }, { 2 }, { 3 } } }) do
      fails("as the area", names.geo.inside, at(1, 1), area)
    end
  end)
end)
