local file = require("core.zone.file")
local fs = require("core.fs")
local rule = require("core.zone.rule")
local time = require("core.time")
local zone = require("core.zone")

local HOUR_MS = 3600000

local function utc(text)
  return assert(time.parse(#text > 10 and text .. "Z" or text), text)
end

-- What a wall in that zone shows, as "2026-03-29T03:00".
local function wall(name, text)
  return time.iso(zone.find(name):to_local(utc(text))):sub(1, 16)
end

describe("a time zone", function()
  it("knows what the wall shows", function()
    for _, case in ipairs({
      { "UTC", "2026-07-01T12:00", "2026-07-01T12:00" },
      { "Europe/Rome", "2026-03-29T00:59", "2026-03-29T01:59" },
      { "Europe/Rome", "2026-03-29T01:00", "2026-03-29T03:00" },
      { "Europe/Rome", "2026-10-25T00:59", "2026-10-25T02:59" },
      { "Europe/Rome", "2026-10-25T01:00", "2026-10-25T02:00" },
      { "Europe/Dublin", "2026-07-01T12:00", "2026-07-01T13:00" }, -- its winter time is the summer's
      { "America/New_York", "2026-11-01T05:59", "2026-11-01T01:59" },
      { "America/New_York", "2026-11-01T06:00", "2026-11-01T01:00" },
      { "Australia/Lord_Howe", "2026-10-03T15:29", "2026-10-04T01:59" },
      { "Australia/Lord_Howe", "2026-10-03T15:30", "2026-10-04T02:30" }, -- half an hour
      { "America/Nuuk", "2026-03-29T00:59", "2026-03-28T22:59" },
      { "America/Nuuk", "2026-03-29T01:00", "2026-03-29T00:00" },
      { "Asia/Kathmandu", "2026-01-01T00:00", "2026-01-01T05:45" },
      { "Asia/Tehran", "2030-07-01T00:00", "2030-07-01T03:30" }, -- gave summer time up
      { "Pacific/Apia", "2011-12-30T09:59", "2011-12-29T23:59" },
      { "Pacific/Apia", "2011-12-30T10:00", "2011-12-31T00:00" }, -- left a day out
      { "Pacific/Kiritimati", "2026-01-01T00:00", "2026-01-01T14:00" },
      { "Etc/GMT+5", "2026-01-01T12:00", "2026-01-01T07:00" },
    }) do
      assert.equal(case[3], wall(case[1], case[2]), case[1] .. " " .. case[2])
    end
  end)

  it("goes on by its rule for ever", function()
    for _, year in ipairs({ 2040, 2437, 2438, 2439, 2800, 5126 }) do
      assert.equal(year .. "-07-01T14:00", wall("Europe/Rome", year .. "-07-01T12:00"))
      assert.equal(year .. "-12-01T13:00", wall("Europe/Rome", year .. "-12-01T12:00"))
    end
    assert.equal("2826-03-29T03:00", wall("Europe/Rome", "2826-03-29T01:00")) -- as in 2026
    assert.equal("2826-03-29T01:59", wall("Europe/Rome", "2826-03-29T00:59"))
  end)

  it("finds the moment at which the wall shows a time", function()
    for _, case in ipairs({
      { "Europe/Rome", "2026-07-01T12:00", "2026-07-01T10:00" },
      { "Europe/Rome", "2026-03-29T01:59", "2026-03-29T00:59" },
      { "Europe/Rome", "2026-03-29T02:00", "2026-03-29T01:00" }, -- left out: when clocks are set
      { "Europe/Rome", "2026-03-29T02:30", "2026-03-29T01:00" },
      { "Europe/Rome", "2026-03-29T03:00", "2026-03-29T01:00" },
      { "Europe/Rome", "2026-10-25T02:30", "2026-10-25T00:30" }, -- twice: the first
      { "Europe/Rome", "2026-10-25T03:00", "2026-10-25T02:00" },
      { "Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00" },
      { "America/Nuuk", "2026-03-28T23:30", "2026-03-29T01:00" },
    }) do
      assert.equal(utc(case[3]), zone.find(case[1]):to_utc(utc(case[2])), case[1] .. " " .. case[2])
    end
  end)

  it("finds the way back from every time but the second of two", function()
    for _, name in ipairs({ "Europe/Rome", "America/Nuuk", "Australia/Lord_Howe", "Asia/Tehran",
      "Africa/Casablanca", "Antarctica/Troll", "Pacific/Apia" }) do
      local found = zone.find(name)
      for ms = utc("1995-01-01"), utc("2045-01-01"), 7.3 * HOUR_MS do
        local back = found:to_utc(found:to_local(ms))
        assert.is_true(back <= ms and ms - back <= 3 * HOUR_MS, name .. " " .. time.iso(ms))
        assert.equal(found:to_local(ms), found:to_local(back))
      end
    end
  end)

  it("agrees with the C library, whatever it lists and however it goes on", function()
    local names, dates = {}, {}
    for _, year in ipairs({ 1950, 1975, 1987, 2001, 2016, 2026, 2036, 2037, 2038, 2050, 2100, 2400 }) do
      for month = 1, 12 do
        for _, day in ipairs({ 1, 9, 26 }) do
          dates[#dates + 1] = math.floor(utc(("%d-%02d-%02dT%02d:40:00"):format(year, month, day,
            (month * 7 + day) % 24)) / 1000)
        end
      end
    end
    for name in io.popen("cd /usr/share/zoneinfo && find Africa America Antarctica Asia Atlantic"
      .. " Australia Europe Indian Pacific Etc -type f | sort"):lines() do
      names[#names + 1] = name
    end
    assert.is_true(#names > 400)
    local list = os.tmpname()
    local out = assert(io.open(list, "w"))
    for _, at in ipairs(dates) do
      out:write("@", at, "\n")
    end
    out:close()
    for i = 1, #names, 11 do
      local found = assert(zone.find(names[i]), names[i])
      local k = 0
      for line in io.popen("TZ=" .. names[i] .. " date -f " .. list .. " +%FT%T"):lines() do
        k = k + 1
        assert.equal(line, time.iso(found:to_local(dates[k] * 1000)):sub(1, 19), names[i])
      end
      assert.equal(#dates, k)
    end
    os.remove(list)
  end)

  it("is one only where the system says so", function()
    for _, name in ipairs({ "", "Europe/Atlantis", "Europe", "tzdata.zi", "../../etc/passwd", "/UTC",
      "Europe/Rome/", "right/Europe/Rome", ("a"):rep(80) }) do
      assert.is_nil(zone.find(name), name)
    end
    assert.is_nil(zone.find(nil))
    assert.equal(zone.find("Europe/Rome"), zone.find("Europe/Rome"))
  end)
end)

describe("a file of the time zone database", function()
  it("that is cut or has any byte changed is refused, or read as something", function()
    local whole = fs.read("/usr/share/zoneinfo/Europe/Rome", 65536)
    assert.truthy(file.read(whole))
    for length = 0, #whole - 1, 3 do
      assert.is_nil(file.read(whole:sub(1, length)), length)
    end
    for at = 1, #whole, 3 do
      local byte = whole:byte(at)
      for _, other in ipairs({ 0, 0xff, bit.bxor(byte, 0x80), bit.bxor(byte, 1) }) do
        local found = file.read(whole:sub(1, at - 1) .. string.char(other) .. whole:sub(at + 1))
        if found and at % 10 == 0 then -- a zone of any content answers
          local odd = zone.new(found)
          assert.equal("number", type(odd:to_local(utc("2026-05-05T12:00"))))
          assert.equal("number", type(odd:to_utc(utc("2050-05-05T12:00"))))
        end
      end
    end
  end)
end)

describe("the rule of a zone", function()
  local function changes(text, year)
    local shown = {}
    for i, change in ipairs(rule.changes(assert(rule.read(text), text), year)) do
      shown[i] = time.iso(change.at * 1000):sub(1, 16) .. (" %+d"):format(change.offset)
    end
    return shown
  end

  it("says when clocks are set", function()
    for _, case in ipairs({
      { "CET-1CEST,M3.5.0,M10.5.0/3", 2026, "2026-03-29T01:00 +7200", "2026-10-25T01:00 +3600" },
      { "EST5EDT,M3.2.0,M11.1.0", 2026, "2026-03-08T07:00 -14400", "2026-11-01T06:00 -18000" },
      { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2026, "2026-04-04T15:00 +37800",
        "2026-10-03T15:30 +39600" },
      { "IST-1GMT0,M10.5.0,M3.5.0/1", 2026, "2026-03-29T01:00 +3600", "2026-10-25T01:00 +0" },
      { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, "2026-03-29T01:00 -3600",
        "2026-10-25T01:00 -7200" },
      { "AAA3BBB,J60/0,J300/0", 2024, "2024-03-01T03:00 -7200", "2024-10-27T02:00 -10800" },
      { "AAA3BBB,59/0,299/0", 2024, "2024-02-29T03:00 -7200", "2024-10-26T02:00 -10800" },
      { "AAA3BBB,59/0,299/0", 2026, "2026-03-01T03:00 -7200", "2026-10-27T02:00 -10800" },
    }) do
      assert.same({ case[3], case[4] }, changes(case[1], case[2]), case[1])
    end
    assert.same({}, changes("<+0330>-3:30", 2026))
    assert.equal(12600, rule.read("<+0330>-3:30").standard)
  end)

  it("may be summer the whole year", function()
    local always = zone.new({ first = 0, changes = {}, rule = rule.read("XXX3EDT4,0/0,J365/23") })
    for month = 1, 12 do
      local at = utc(("2031-%02d-01T00:00"):format(month))
      assert.equal(-4 * HOUR_MS, (always:segment(at)), month)
    end
  end)

  it("is refused when it is none", function()
    for _, text in ipairs({ "", "C", "CET", "CET-", "CET-1CEST", "CET-1CEST,", "CET-1CEST,M3.5.0",
      "CET-1CEST,M13.1.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
      "CET-1CEST,M3.5.0,M10.5.0/168", "CET-25", "CET-1:60", "CET-1CEST,J0,J5", "CET-1CEST,366,5",
      "CET-1CEST,M3.5.0,M10.5.0/3x", "<CET-1", "CET-1CEST,M3.5.0/,M10.5.0" }) do
      assert.is_nil(rule.read(text), text)
    end
  end)
end)
