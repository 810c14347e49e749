-- A release in the life of two nodes: its effect everywhere, nobody's request or socket lost, a
-- canary that takes itself back.
local at_once = require("tests.support.client").at_once
local servers = require("tests.support.server")

local RULE = "rules/live.lua"
local HAZARD = { title = "Loose slab", category = "other", location = { description = "at the church" } }

local one, two, owner

setup(function()
  local env = { FIXXIT_SERVER_WORKERS = 2 }
  one = servers.start({ env = env })
  two = servers.join(one, { env = env })
  owner = one.api:login("owner@riverton.example").token
end)

teardown(function()
  if two then
    two:stop()
  end
  one:stop()
end)

local function ok(answer, status)
  assert.equal(status or 200, answer.status, answer.body)
  return answer.json.data
end

local function publish(content, share)
  local path = "/scripts/draft/" .. RULE
  local answer = one.api:put(path, { token = owner, json = { content = content } })
  assert.is_true(answer.status < 300, answer.body)
  return ok(one.api:post("/scripts/publish", { token = owner, json = { message = "m", canary = share } }),
    201).release
end

-- A rule that tags what is reported.
local function tagging(tag)
  return ('before("report.create", function(report) report.tags = { "%s" } end)\n'):format(tag)
end

local function report(server)
  local data = ok(server.api:post("/reports", { token = owner, json = HAZARD }), 201)
  return data.tags and data.tags[1], data
end

local function await(what, condition)
  for _ = 1, 200 do
    if condition() then
      return
    end
    servers.sleep(0.05)
  end
  error(what .. ": not within 10 s")
end

-- Until each worker of a node has said so: connections go to one or the other.
local function await_everywhere(tag)
  for _, server in ipairs({ one, two }) do
    local running = 0
    await(tag, function()
      running = report(server) == tag and running + 1 or 0
      return running == 8
    end)
  end
end

describe("a release", function()
  it("runs on every worker of every node, and while it comes no request and no socket is lost", function()
    local socket = two.api:socket("token=" .. owner)
    assert.truthy(socket:expect("welcome"))
    publish(tagging("first"))
    await_everywhere("first")
    local seen, calls = {}, {}
    for i = 1, 6 do
      calls[i] = function()
        for _ = 1, 10 do
          local tag = report(i % 2 == 0 and one or two)
          seen[tag] = (seen[tag] or 0) + 1
        end
      end
    end
    calls[#calls + 1] = function()
      publish(tagging("second"))
    end
    at_once(calls)
    for tag in pairs(seen) do
      assert.is_true(tag == "first" or tag == "second", tag)
    end
    await_everywhere("second")
    assert.truthy(socket:expect_event("script:released"))
    socket:close()
  end)

  it("is taken back with one call", function()
    ok(one.api:post("/scripts/rollback", { token = owner, json = { release = 1 } }))
    await_everywhere("first")
  end)

  it("does without a file that is switched off", function()
    ok(two.api:post("/scripts/files/" .. RULE .. "/disable", { token = owner, json = { reason = "x" } }))
    await_everywhere(nil)
    ok(two.api:post("/scripts/files/" .. RULE .. "/enable", { token = owner, json = {} }))
    await_everywhere("first")
  end)

  it("as a canary stays when callers of its routes ask for what is not there", function()
    local number = publish('route("GET", "/look/:id", function(req) return json(reports.get(req.params.id)) end)\n', 99)
    for i = 1, 6 do
      local id = i % 2 == 0 and "nonsense" or "01a1fe30-4a20-7801-8518-f6b2802ed6f8"
      local answer = one.api:get("/x/look/" .. id, { token = owner })
      assert.equal(404, answer.status, answer.body)
      assert.equal("NOT_FOUND", answer.json.error.code)
    end
    await("the records of the runs", function()
      local runs = ok(one.api:get("/scripts/runs?status=rejected", { token = owner }))
      return #runs == 6 and runs[1].release == number
    end)
    assert.equal("canary", ok(one.api:get("/scripts/releases", { token = owner }))[1].state)
    ok(one.api:post("/scripts/rollback", { token = owner, json = { release = 1 } }))
  end)

  it("as a canary takes itself back when it fails, and the active one runs for all again", function()
    local number = publish('before("report.create", function(report) report.tags = report.none.at.all end)\n', 60)
    local function state()
      for _, release in ipairs(ok(one.api:get("/scripts/releases", { token = owner }))) do
        if release.release == number then
          return release.state, release.withdrawn
        end
      end
    end
    await("withdrawn", function()
      assert.equal(201, one.api:post("/reports", { token = owner, json = HAZARD }).status)
      return state() == "withdrawn"
    end)
    assert.truthy(select(2, state()):find("^%d+ of %d+ runs failed$"))
    await_everywhere("first")
    local told = ok(one.api:get("/notifications", { token = owner }))[1]
    assert.equal(("Release %d was taken back"):format(number), told.title)
    assert.equal("script.withdraw", (one:sql("SELECT action FROM audit_logs WHERE action LIKE 'script.w%'")
      :gsub("%s+$", "")))
    local answer = one.api:post("/scripts/rollback", { token = owner, json = { release = number } })
    assert.equal(409, answer.status, answer.body)
    assert.matches("was taken back: %d+ of %d+ runs failed. Say force", answer.json.error.message)
    local command = ("scripts rollback %d --tenant riverton"):format(number)
    local code, output = one:command(command)
    assert.equal(1, code, output)
    assert.matches("was taken back", output)
    assert.equal("withdrawn", (state()))
    code, output = one:command(command .. " --force")
    assert.equal(0, code, output)
    assert.equal("active", (state()))
    ok(one.api:post("/scripts/rollback", { token = owner, json = { release = 1 } }))
    ok(one.api:post("/scripts/rollback", { token = owner, json = { release = number, force = true } }))
    assert.equal("2\n", one:sql("SELECT COUNT(*) FROM audit_logs WHERE action = 'script.rollback' "
      .. "AND new_values LIKE '%runs failed%'"))
    ok(one.api:post("/scripts/rollback", { token = owner, json = { release = 1 } }))
  end)
end)

describe("the example of a council", function()
  it("does what its readme says", function()
    local code, output = one:command("scripts push --tenant riverton --message example")
    assert.equal(0, code, output)
    local hazard = { title = "Sparking cabinet", category = "electrical", severity = "critical",
      location = { description = "by the church" } }
    await("the rule", function()
      return two.api:post("/reports", { token = owner, json = hazard }).status == 422
    end)
    hazard.location = { latitude = 51.4512, longitude = -2.5912 }
    local report_id = ok(two.api:post("/reports", { token = owner, json = hazard }), 201).id
    local order
    await("a work order", function()
      order = ok(one.api:get("/workorders?reportId=" .. report_id, { token = owner }))[1]
      return order
    end)
    assert.same({ "Make safe: Sparking cabinet", "urgent" }, { order.title, order.priority })
    local dispatcher = one.api:login("dispatcher@riverton.example").token
    local told = ok(one.api:get("/notifications", { token = dispatcher }))[1]
    assert.equal("Live electrical hazard", told.title)
    local answer = one.api:get("/x/open-by-category", { token = dispatcher })
    assert.equal(200, answer.status, answer.body)
    assert.truthy(answer.body:find('"count"', 1, true))
    assert.equal("script:rules/electrical.lua", (one:sql("SELECT DISTINCT SUBSTRING_INDEX(actor, '@', 1) "
      .. "FROM audit_logs WHERE action = 'workorder.create' AND actor LIKE 'script:%'"):gsub("%s+$", "")))
  end)
end)
