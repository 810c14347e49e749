describe("urgent work", function()
  local order = { id = "w1", number = "WO-2026-00001", priority = "urgent", teamId = "t1" }

  it("climbs, other work does not", function()
    assert.is_true(rules.escalates("workorder", "urgent", order))
    assert.is_false(rules.escalates("workorder", "urgent", { priority = "normal" }))
  end)

  it("is told to the team, the dispatchers, the owner", function()
    local told = {}
    for step = 1, 3 do
      local actions = rules.escalate("workorder", "urgent", order, step)
      told[step] = actions[1].arguments.team or actions[1].arguments.role
      assert.equal("w1", actions[1].arguments.workOrderId)
    end
    assert.same({ "t1", "dispatcher", "owner" }, told)
  end)

  it("of no team is told to nobody at first", function()
    assert.same({}, rules.escalate("workorder", "urgent", { id = "w2", number = "WO-2" }, 1))
  end)
end)
