-- Schedules by wall clocks: fields, and what happens when clocks are changed.
local cron = require("core.cron")
local time = require("core.time")
local zones = require("core.zone")

-- The next `count` times after a time, as the zone's wall clock and UTC show them.
local function times(text, zone, after, count)
  local schedule, found = assert(cron.parse(text)), {}
  local at = time.parse(after)
  for i = 1, count do
    at = schedule:next(zones.find(zone), at)
    found[i] = time.iso(at):sub(1, 16)
  end
  return found
end

describe("a schedule", function()
  it("reads numbers, ranges, steps, lists and names", function()
    for _, case in ipairs({
      { "0 7 * * 1-5", "2026-06-05T07:00:00Z", { "2026-06-08T07:00", "2026-06-09T07:00" } },
      { "*/20 8-9 * * *", "2026-06-05T08:50:00Z", { "2026-06-05T09:00", "2026-06-05T09:20" } },
      { "5,10-12 0 * * *", "2026-06-05T00:05:00Z", { "2026-06-05T00:10", "2026-06-05T00:11" } },
      { "0 8-18/5 * * *", "2026-06-05T00:00:00Z", { "2026-06-05T08:00", "2026-06-05T13:00" } },
      { "50/5 23 * * *", "2026-06-05T23:50:00Z", { "2026-06-05T23:55", "2026-06-06T23:50" } },
      { "0 0 1 jan,JUL *", "2026-01-01T00:00:00Z", { "2026-07-01T00:00", "2027-01-01T00:00" } },
      { "0 0 * * FRI-SUN", "2026-06-04T00:00:00Z", { "2026-06-05T00:00", "2026-06-06T00:00" } },
      { "0 0 * * 7", "2026-06-04T00:00:00Z", { "2026-06-07T00:00", "2026-06-14T00:00" } },
      { "0 0 13 * FRI", "2026-06-04T00:00:00Z", { "2026-06-05T00:00", "2026-06-12T00:00", "2026-06-13T00:00" } },
      { "0 0 */10 * MON", "2026-06-01T00:00:00Z", { "2026-08-31T00:00" } }, -- both, since one is of a star
      { "0 0 29 2 *", "2026-06-01T00:00:00Z", { "2028-02-29T00:00", "2032-02-29T00:00" } },
      { "0 0 29 2 *", "2096-03-01T00:00:00Z", { "2104-02-29T00:00" } },
      { "0 0 31 * *", "2026-01-31T00:00:00Z", { "2026-03-31T00:00", "2026-05-31T00:00" } },
      { "59 23 31 12 *", "2026-12-31T23:58:30Z", { "2026-12-31T23:59", "2027-12-31T23:59" } },
      { "* * * * *", "2026-06-05T08:50:59.999Z", { "2026-06-05T08:51", "2026-06-05T08:52" } },
    }) do
      assert.same(case[3], times(case[1], "UTC", case[2], #case[3]), case[1])
    end
  end)

  it("says what is wrong", function()
    for text, problem in pairs({
      ["0 7 * *"] = "five fields", ["0 7 * * * *"] = "five fields", [""] = "five fields",
      ["60 7 * * *"] = "'60' is no minute", ["0 24 * * *"] = "'24' is no hour",
      ["0 0 0 * *"] = "'0' is no day", ["0 0 32 * *"] = "'32' is no day", ["0 0 1 13 *"] = "no month",
      ["0 0 * * 8"] = "no day of the week", ["0 0 * * MON-"] = "no day of the week",
      ["0 0 * * TUE-MON"] = "no day of the week", ["*/0 * * * *"] = "no minute",
      ["1- * * * *"] = "no minute", ["-1 * * * *"] = "no minute", ["1,,2 * * * *"] = "no minute",
      ["1, * * * *"] = "no minute", ["*/ * * * *"] = "no minute", ["1/2/3 * * * *"] = "no minute",
      ["x * * * *"] = "no minute", ["5-1 * * * *"] = "no minute", ["1.5 * * * *"] = "no minute",
      ["MON * * * *"] = "no minute", ["@daily"] = "five fields", ["0 0 30 2 *"] = "never come",
      ["0 0 31 4,6,9,11 *"] = "never come", ["007 * * * *"] = "no minute",
    }) do
      local schedule, why = cron.parse(text)
      assert.is_nil(schedule, text)
      assert.truthy(why:find(problem, 1, true), text .. ": " .. why)
    end
  end)

  it("goes by the wall clock of its zone", function()
    assert.same({ "2026-01-05T06:00", "2026-01-06T06:00" },
      times("0 7 * * *", "Europe/Rome", "2026-01-05T05:59:00Z", 2))
    assert.same({ "2026-07-05T05:00" }, times("0 7 * * *", "Europe/Rome", "2026-07-05T04:00:00Z", 1))
    assert.same({ "2026-06-04T18:30" }, times("0 0 * * *", "Asia/Kolkata", "2026-06-04T12:00:00Z", 1))
  end)

  it("of an hour that is left out happens at the change, once", function()
    assert.same({ "2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30" },
      times("30 2 * * *", "Europe/Rome", "2026-03-28T00:00:00Z", 3))
    assert.same({ "2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T00:30" },
      times("0,30 2 * * *", "Europe/Rome", "2026-03-29T00:59:00Z", 3))
    assert.same({ "2026-03-29T00:45", "2026-03-29T01:00", "2026-03-29T01:15" },
      times("*/15 * * * *", "Europe/Rome", "2026-03-29T00:30:00Z", 3))
  end)

  it("of an hour that comes twice happens the first time, and every hour in both", function()
    assert.same({ "2026-10-25T00:30", "2026-10-26T01:30" },
      times("30 2 * * *", "Europe/Rome", "2026-10-24T12:00:00Z", 2))
    assert.same({ "2026-10-26T01:30" }, times("30 2 * * *", "Europe/Rome", "2026-10-25T01:10:00Z", 1))
    assert.same({ "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00" },
      times("*/30 * * * *", "Europe/Rome", "2026-10-25T00:00:00Z", 4))
  end)
end)
