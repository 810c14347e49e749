describe("an electrical hazard", function()
  local function hazard(fields)
    local report = { id = "r1", title = "Sparking cabinet", category = "electrical",
      severity = "high", location = { latitude = 51.45, longitude = -2.59 } }
    for name, value in pairs(fields or {}) do
      report[name] = value
    end
    return report
  end

  it("needs a position", function()
    local answer = rules.before("report.create", hazard{ location = { description = "by the church" } })
    assert.equal("location.latitude", answer.rejected[1].field)
    assert.same({}, rules.before("report.create", hazard()).rejected)
  end)

  it("of another category does not", function()
    local answer = rules.before("report.create", hazard{ category = "graffiti", location = {} })
    assert.same({}, answer.rejected)
  end)

  it("becomes an urgent work order when it is critical, and dispatchers hear of it", function()
    answer("workorders.create", { id = "w1", number = "WO-2026-00001" })
    local actions = rules.on("report.created", hazard{ severity = "critical" })
    assert.equal("workorders.create", actions[1].call)
    assert.same({ "r1", "urgent" }, { actions[1].arguments.reportId, actions[1].arguments.priority })
    assert.equal("notify", actions[2].call)
    assert.equal("dispatcher", actions[2].arguments.role)
    assert.equal("w1", actions[2].arguments.workOrderId)
  end)

  it("stays a report when it is not", function()
    assert.same({}, rules.on("report.created", hazard()))
  end)
end)
