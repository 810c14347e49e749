describe("an outage", function()
  local function report(id, latitude)
    return { id = id, title = "No power", category = "electrical", severity = "high",
      location = { latitude = latitude or 51.451, longitude = -2.591 } }
  end

  before_each(function()
    clock("2026-11-20T09:00:00.000Z")
    answer("workorders.create", { id = "w1", number = "WO-2026-00001" })
    answer("http.fetch", { status = 201, body = "" })
  end)

  -- What is done about it, besides remembering.
  local function names(actions)
    local list = {}
    for _, action in ipairs(actions) do
      if action.call ~= "kv.set" then
        list[#list + 1] = action.call
      end
    end
    return list
  end

  it("is three reports near each other", function()
    assert.same({}, names(rules.on("report.created", report("a"))))
    assert.same({}, names(rules.on("report.created", report("b"))))
    assert.same({ "workorders.create", "notify", "http.fetch" },
      names(rules.on("report.created", report("c"))))
    assert.same({}, names(rules.on("report.created", report("d"))))
  end)

  it("is not three far from each other", function()
    for i = 1, 4 do
      assert.same({}, names(rules.on("report.created", report("a", 51 + i))))
    end
  end)

  it("is not three over the day", function()
    for hour = 10, 14 do
      clock(("2026-11-20T%02d:30:00.000Z"):format(hour))
      assert.same({}, names(rules.on("report.created", report("a"))))
    end
  end)
end)
