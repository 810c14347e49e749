describe("a place", function()
  it("tells building and room", function()
    local result = rules.before("report.create", { title = "Projector is dark",
      location = { description = "Main Library 2.14" } })
    assert.same({ "main library" }, result.data.tags)
    assert.same({ building = "Main Library", room = "2.14" }, result.data.metadata)
  end)

  it("in other words is left alone", function()
    local data = { title = "Broken bench", location = { description = "by the pond" } }
    assert.is_nil(rules.before("report.create", data).data.tags)
  end)
end)

describe("the porters", function()
  it("see what is open in a building", function()
    answer("reports.list", function(query)
      assert.equal("library", query.tag)
      return { { title = "Dark stairs", location = { description = "Library 1.01" } } }
    end)
    local reply = rules.route("GET", "/porters", { query = { building = "library" } })
    assert.equal("Library 1.01", reply.body.open[1].place)
    assert.equal(400, rules.route("GET", "/porters").status)
  end)
end)

describe("the week", function()
  it("counts each report once", function()
    clock("2026-11-20T15:00:00.000Z")
    for _, id in ipairs({ "r1", "r2", "r1" }) do
      rules.on("report.updated", { id = id, status = "resolved", title = "Dark stairs" })
    end
    rules.on("report.updated", { id = "r3", status = "acknowledged", title = "Cold room" })
    assert.equal(2, kv.get("resolved.2026-11"))
  end)

  it("ends with what is still to do", function()
    answer("workorders.count", 2)
    assert.equal("2 jobs go into the weekend", rules.every("friday")[1].arguments.title)
  end)
end)
