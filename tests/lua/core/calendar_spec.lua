local calendar = require("core.calendar")
local time = require("core.time")
local zone = require("core.zone")

local MINUTE_MS, HOUR_MS, DAY_MS = 60000, 3600000, 86400000
local DAYS = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" }

local function utc(text)
  return assert(time.parse(text), text)
end

local function every_day(from, to)
  local hours = {}
  for _, day in ipairs(DAYS) do
    hours[day] = { { from = from, to = to } }
  end
  return hours
end

local function weekdays(...)
  local hours = {}
  for i = 1, 5 do
    hours[DAYS[i]] = { ... }
  end
  return hours
end

local function in_rome(hours, holidays)
  return calendar.new({ zone = zone.find("Europe/Rome"), hours = hours, holidays = holidays })
end

local OFFICE = { from = "09:00", to = "17:00" }

describe("business hours", function()
  it("say when so much time is over", function()
    local office = in_rome(weekdays(OFFICE), { { date = "2026-12-25" }, { date = "2026-12-26" } })
    for _, case in ipairs({ -- from, hours, until; Rome is an hour ahead in winter, two in summer
      { "2026-11-20T08:00Z", 1, "2026-11-20T09:00Z" }, -- Friday at nine
      { "2026-11-20T05:00Z", 1, "2026-11-20T09:00Z" }, -- before the hours
      { "2026-11-20T08:00Z", 8, "2026-11-20T16:00Z" }, -- the end, not the next beginning
      { "2026-11-20T08:00Z", 9, "2026-11-23T09:00Z" }, -- over the weekend
      { "2026-11-21T12:00Z", 0.5, "2026-11-23T08:30Z" }, -- on Saturday
      { "2026-11-20T15:30:30.250Z", 0.5, "2026-11-20T16:00:30.250Z", "2026-11-23T08:00:30.250Z" },
      { "2026-12-24T08:00Z", 16, "2026-12-28T16:00Z" }, -- over Christmas
      { "2026-03-27T08:00Z", 16, "2026-03-30T15:00Z" }, -- into the summer
      { "2026-10-23T07:00Z", 16, "2026-10-26T16:00Z" }, -- and out of it
      { "2026-11-20T08:00Z", 0, "2026-11-20T08:00Z" },
      { "2026-11-20T08:00Z", 40 * 52, "2027-11-19T16:00Z" }, -- 52 weeks, a day off in them
    }) do
      local wanted = case[4] or case[3]
      assert.equal(time.iso(utc(wanted)),
        time.iso(office:after(utc(case[1]), case[2] * HOUR_MS)), case[1])
    end
  end)

  it("say how much of them lies between two moments", function()
    local office = in_rome(weekdays({ from = "09:00", to = "12:30" }, { from = "13:30", to = "17:00" }),
      { { date = "2026-11-25" } })
    for _, case in ipairs({
      { "2026-11-23T00:00Z", "2026-11-30T00:00Z", 28 },
      { "2026-11-23T11:00Z", "2026-11-23T13:00Z", 1 }, -- over lunch
      { "2026-11-23T13:00Z", "2026-11-23T11:00Z", 0 },
      { "2026-11-25T00:00Z", "2026-11-25T23:00Z", 0 },
      { "2026-01-01T00:00Z", "2027-01-01T00:00Z", 7 * 260 },
    }) do
      assert.equal(case[3] * HOUR_MS, office:elapsed(utc(case[1]), utc(case[2])), case[1])
    end
  end)

  it("follow the wall when clocks are set", function()
    local function open(name, hours, from, to)
      return calendar.new({ zone = zone.find(name), hours = hours }):elapsed(utc(from), utc(to))
        / HOUR_MS
    end
    for _, case in ipairs({
      -- left out: 02:00 to 03:00
      { "Europe/Rome", "02:00", "03:00", "2026-03-28T12:00Z", "2026-03-29T12:00Z", 0 },
      { "Europe/Rome", "01:30", "03:30", "2026-03-28T12:00Z", "2026-03-29T12:00Z", 1 },
      { "Europe/Rome", "00:00", "24:00", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 23 },
      -- twice: 02:00 to 03:00
      { "Europe/Rome", "02:00", "03:00", "2026-10-24T12:00Z", "2026-10-25T12:00Z", 2 },
      { "Europe/Rome", "02:15", "02:30", "2026-10-24T12:00Z", "2026-10-25T12:00Z", 0.5 },
      { "Europe/Rome", "00:00", "24:00", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 25 },
      { "Australia/Lord_Howe", "01:00", "03:00", "2026-10-03T12:00Z", "2026-10-04T12:00Z", 1.5 },
      { "America/Nuuk", "22:00", "24:00", "2026-03-28T12:00Z", "2026-03-29T12:00Z", 1 },
      { "Pacific/Apia", "09:00", "17:00", "2011-12-29T00:00Z", "2012-01-02T00:00Z", 32 }, -- no 30th
    }) do
      assert.equal(case[6], open(case[1], every_day(case[2], case[3]), case[4], case[5]),
        table.concat(case, " "))
    end
  end)

  it("are all hours where none are set, but for holidays", function()
    local from = utc("2026-12-24T12:00Z")
    for _, hours in ipairs({ false, {}, { monday = {} } }) do
      local always = in_rome(hours or nil)
      assert.equal(from + 72 * HOUR_MS, always:after(from, 72 * HOUR_MS))
      assert.equal(72 * HOUR_MS, always:elapsed(from, from + 72 * HOUR_MS))
      assert.equal(from + 96 * HOUR_MS,
        in_rome(hours or nil, { { date = "2026-12-25" } }):after(from, 72 * HOUR_MS))
    end
  end)

  it("that overlap or touch count once", function()
    local office = in_rome({ monday = { { from = "13:00", to = "18:00" }, { from = "08:00", to = "12:00" },
      { from = "11:00", to = "14:00" }, { from = "18:00", to = "19:00" } } })
    assert.equal(11 * HOUR_MS, office:elapsed(utc("2026-11-23"), utc("2026-11-24")))
  end)

  it("that never come are never over", function()
    local all_year = {}
    for i = 0, 399 do
      all_year[i + 1] = { date = time.iso(utc("2026-01-01") + i * DAY_MS):sub(1, 10) }
    end
    local brief = in_rome({ monday = { { from = "09:00", to = "09:01" } } }, all_year)
    assert.equal("2027-02-08T08:01:00.000Z", time.iso(brief:after(utc("2026-01-01"), MINUTE_MS)))
    assert.is_nil(brief:after(utc("2026-01-01"), 8760 * HOUR_MS))
  end)
end)

-- A calendar drawn by chance, and the same as a function that says whether a minute is open.
local function random_calendar(random)
  local zones = { "UTC", "Europe/Rome", "America/New_York", "Australia/Lord_Howe", "America/Nuuk",
    "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "Antarctica/Troll" }
  local start = utc(("20%02d-01-01"):format(random(10, 34))) + random(0, 364) * DAY_MS
  local name = zones[random(#zones)]
  local hours, spans = {}, {}
  for i, day in ipairs(DAYS) do
    hours[day], spans[i] = {}, {}
    for k = 1, random(0, 3) do
      local from = random(0, 1439)
      local to = random(from + 1, 1440)
      spans[i][k] = { from, to }
      hours[day][k] = { from = ("%02d:%02d"):format(math.floor(from / 60), from % 60),
        to = ("%02d:%02d"):format(math.floor(to / 60), to % 60) }
    end
  end
  table.insert(spans[1], { 60, 120 })
  table.insert(hours.monday, { from = "01:00", to = "02:00" })
  local holidays, closed = {}, {}
  for i = 1, random(0, 6) do
    local day = math.floor(start / DAY_MS) + random(0, 20)
    holidays[i] = { date = time.iso(day * DAY_MS):sub(1, 10) }
    closed[day] = true
  end
  local found = zone.find(name)
  local function is_open(ms)
    local at = found:to_local(ms)
    local day = math.floor(at / DAY_MS)
    local minute = math.floor((at - day * DAY_MS) / MINUTE_MS)
    for _, span in ipairs(closed[day] and {} or spans[(day + 3) % 7 + 1]) do
      if minute >= span[1] and minute < span[2] then
        return true
      end
    end
    return false
  end
  return calendar.new({ zone = found, hours = hours, holidays = holidays }), is_open, start, name
end

describe("calendars drawn by chance", function()
  local random = math.random

  setup(function()
    math.randomseed(20261121)
  end)

  it("count as one does who looks at the clock every minute", function()
    for _ = 1, 60 do
      local made, is_open, start, name = random_calendar(random)
      local minutes, wanted = random(1, 18 * 1440), 0
      local from = start + random(0, 1440) * MINUTE_MS
      for i = 0, minutes - 1 do
        local at = from + i * MINUTE_MS
        local open = is_open(at)
        wanted = wanted + (open and 1 or 0)
        if i % 97 == 0 then
          assert.equal(open, made:is_open(at), name .. " " .. time.iso(at))
        end
      end
      assert.equal(wanted * MINUTE_MS, made:elapsed(from, from + minutes * MINUTE_MS),
        name .. " " .. time.iso(from) .. " " .. minutes)
    end
  end)

  it("have functions that are each other's inverse, and monotone", function()
    for _ = 1, 300 do
      local made, _, start, name = random_calendar(random)
      local from = start + random(0, 20 * DAY_MS)
      local last_at, last_open = from, 0
      local open = 0
      for _ = 1, 12 do
        open = open + random(0, 40 * HOUR_MS)
        local at = made:after(from, open)
        local what = ("%s %s %d"):format(name, time.iso(from), open)
        assert.equal(open, made:elapsed(from, at), what)
        assert.is_true(open == 0 or made:elapsed(from, at - 1) == open - 1, what) -- the first such
        assert.is_true(at >= last_at, what)
        local later = at + random(0, 3 * DAY_MS)
        local elapsed = made:elapsed(from, later)
        assert.is_true(elapsed >= open and elapsed <= later - from, what)
        assert.equal(elapsed, open + made:elapsed(at, later), what) -- additive
        assert.is_true(made:after(from, elapsed) <= later, what)
        last_at, last_open = at, open
      end
      assert.is_true(last_open >= 0)
    end
  end)
end)
