-- What bad input gets: one error shape, the right status, the fields named.
local client = require("tests.support.client")
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

local function report(fields)
  local body = {
    title = "Broken lamp", category = "street_light", severity = "low",
    location = { latitude = 51.45, longitude = -2.59 },
  }
  for name, value in pairs(fields or {}) do
    body[name] = value
  end
  return body
end

local function fields_of(answer)
  local names = {}
  for _, detail in ipairs(answer.json.error.details or {}) do
    names[detail.field] = detail.code
  end
  return names
end

describe("bad input", function()
  local server, api, sessions

  setup(function()
    server = servers.start()
    api = server.api
    sessions = {}
    for _, name in ipairs({ "owner", "dispatcher", "tech1", "tech2", "viewer", "citizen" }) do
      sessions[name] = api:login(name .. "@riverton.example").token
    end
    sessions.other = api:login("dispatcher@northgrid.example").token
  end)

  teardown(function()
    server:stop()
  end)

  local function refused(status, code, answer)
    assert.equal(status, answer.status, answer.body)
    assert.is_false(answer.json.success)
    local problem = answer.json.error
    assert.equal(code, problem.code)
    assert.is_string(problem.message)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", problem.timestamp)
    assert.equal(answer.headers["x-request-id"], problem.requestId)
    return answer
  end

  it("gets all invalid fields at once", function()
    local answer = refused(400, "VALIDATION_ERROR", api:post("/reports", {
      tenant = "riverton",
      json = { title = "x", severity = "huge", category = 7, location = { latitude = 91, longitude = "east" } },
    }))
    local fields = fields_of(answer)
    assert.truthy(fields.title and fields.severity and fields.category)
    assert.equal("range", fields["location.latitude"])
    assert.equal("type", fields["location.longitude"])
  end)

  it("must place a report somewhere, with both coordinates or none", function()
    local body = report()
    body.location = nil
    refused(400, "VALIDATION_ERROR", api:post("/reports", { tenant = "riverton", json = body }))
    refused(400, "VALIDATION_ERROR", api:post("/reports",
      { tenant = "riverton", json = report({ location = { latitude = 51 } }) }))
    assert.equal(201, api:post("/reports",
      { tenant = "riverton", json = report({ location = { description = "behind the school" } }) }).status)
  end)

  it("is told apart: no JSON, another content type, no tenant, an unknown one", function()
    refused(400, "INVALID_JSON", api:post("/reports",
      { tenant = "riverton", body = '{"title":', headers = { ["content-type"] = "application/json" } }))
    refused(415, "UNSUPPORTED_MEDIA_TYPE", api:post("/reports",
      { tenant = "riverton", body = "title=x", headers = { ["content-type"] = "text/plain" } }))
    refused(400, "TENANT_REQUIRED", api:post("/reports", { json = report() }))
    refused(404, "UNKNOWN_TENANT", api:post("/reports", { tenant = "atlantis", json = report() }))
  end)

  it("gets 404 for unknown paths and ids, 405 with Allow for other methods", function()
    refused(404, "NOT_FOUND", api:get("/nothing/here"))
    refused(404, "NOT_FOUND", api:get("/reports/not-an-id", { token = sessions.dispatcher }))
    refused(404, "NOT_FOUND", api:get("/reports/track/ZZZZZZZZ", { tenant = "riverton" }))
    local answer = refused(405, "METHOD_NOT_ALLOWED", api:delete("/reports", { token = sessions.owner }))
    assert.matches("GET", answer.headers.allow)
    assert.matches("POST", answer.headers.allow)
    for _, path in ipairs({ "/dashboard", "/dashboard/app.js" }) do
      assert.equal(200, api:get(path, { root = true }).status, path)
      for _, method in ipairs({ "POST", "DELETE" }) do
        answer = refused(405, "METHOD_NOT_ALLOWED", api:request(method, path, { root = true }))
        assert.equal("GET, HEAD, OPTIONS", answer.headers.allow)
      end
      answer = api:options(path, { root = true })
      assert.same({ 204, "GET, HEAD, OPTIONS" }, { answer.status, answer.headers.allow })
    end
  end)

  it("gets 401 without or with a broken token", function()
    refused(401, "UNAUTHORIZED", api:get("/reports"))
    assert.equal(401, api:get("/reports", { token = "garbage" }).status)
    assert.equal(401, api:get("/reports", { token = sessions.owner .. "x" }).status)
  end)

  it("gets 403 with the wrong role", function()
    local id = api:post("/reports", { tenant = "riverton", json = report() }).json.data.id
    refused(403, "FORBIDDEN", api:post("/workorders", { token = sessions.viewer, json = { reportId = id } }))
    refused(403, "FORBIDDEN", api:post("/workorders", { token = sessions.tech1, json = { reportId = id } }))
    refused(403, "FORBIDDEN", api:get("/workorders", { token = sessions.citizen }))
    refused(403, "FORBIDDEN", api:put("/reports/" .. id .. "/status",
      { token = sessions.tech1, json = { status = "acknowledged" } }))
  end)

  it("gets 404 for another tenant's ids, whatever is wanted with them", function()
    local id = api:post("/reports", { tenant = "riverton", json = report() }).json.data.id
    local order = api:post("/workorders", { token = sessions.dispatcher, json = { reportId = id } }).json.data.id
    local other = sessions.other
    refused(404, "NOT_FOUND", api:get("/reports/" .. id, { token = other }))
    refused(404, "NOT_FOUND", api:put("/reports/" .. id .. "/status", { token = other, json = { status = "acknowledged" } }))
    refused(404, "NOT_FOUND", api:post("/workorders", { token = other, json = { reportId = id } }))
    refused(404, "NOT_FOUND", api:get("/workorders/" .. order, { token = other }))
    for _, action in ipairs({ "accept", "start", "complete", "verify" }) do
      assert.equal(404, api:put("/workorders/" .. order .. "/" .. action,
        { token = other, json = { notes = "x", minutesSpent = 1 } }).status, action)
    end
    local listed = api:get("/reports?limit=100", { token = other }).body
    assert.is_nil(listed:find(id, 1, true))
  end)

  it("gets 409 for a forbidden move, with the allowed ones", function()
    local id = api:post("/reports", { tenant = "riverton", json = report() }).json.data.id
    local answer = refused(409, "INVALID_TRANSITION", api:put("/reports/" .. id .. "/status",
      { token = sessions.dispatcher, json = { status = "closed" } }))
    local allowed = table.concat(answer.json.error.details[1].allowed, " ")
    assert.matches("acknowledged", allowed)
    local order = api:post("/workorders", { token = sessions.dispatcher, json = { reportId = id } }).json.data.id
    refused(409, "INVALID_TRANSITION", api:put("/workorders/" .. order .. "/verify",
      { token = sessions.dispatcher, json = {} }))
  end)

  it("gets 400, 404 or 409 for a merge that makes no sense", function()
    local function made()
      return api:post("/reports", { tenant = "riverton", json = report() }).json.data.id
    end
    local id, survivor = made(), made()
    local function merge(from, into)
      return api:post("/reports/" .. from .. "/merge",
        { token = sessions.dispatcher, json = { into = into } })
    end
    refused(400, "VALIDATION_ERROR", merge(id, nil))
    refused(400, "VALIDATION_ERROR", merge(id, id))
    refused(404, "NOT_FOUND", merge(id, "01a1fe30-4a20-7801-8518-f6b2802ed6f8"))
    refused(400, "VALIDATION_ERROR", api:put("/reports/" .. id .. "/status",
      { token = sessions.dispatcher, json = { status = "duplicate" } }))
    local answer = merge(id, survivor)
    assert.equal(200, answer.status, answer.body)
    assert.same({ "duplicate", survivor }, { answer.json.data.status, answer.json.data.duplicateOf })
    refused(400, "VALIDATION_ERROR", merge(survivor, id))
    refused(409, "INVALID_TRANSITION", merge(id, survivor))
  end)

  it("gets 409 when two dispatchers assign at once", function()
    local order = api:post("/workorders", { token = sessions.dispatcher,
      json = { title = "Sweep the square" } }).json.data.id
    local technicians = api:get("/users?limit=100", { token = sessions.dispatcher }).json.data
    local ids = {}
    for _, user in ipairs(technicians) do
      ids[user.email:match("^[^@]+")] = user.id
    end
    assert.equal(200, api:put("/workorders/" .. order .. "/assign",
      { token = sessions.dispatcher, json = { userId = ids.tech1 } }).status)
    refused(409, "ASSIGN_RACE", api:put("/workorders/" .. order .. "/assign",
      { token = sessions.owner, json = { userId = ids.tech2 } }))
    assert.equal(200, api:put("/workorders/" .. order .. "/assign",
      { token = sessions.owner, json = { userId = ids.tech2, force = true } }).status)
  end)

  -- How many of these answers have each status.
  local function tally(answers)
    local counts = {}
    for _, answer in ipairs(answers) do
      counts[answer.status] = (counts[answer.status] or 0) + 1
    end
    return counts
  end

  it("gets 409 when many do at once what can be done once", function()
    local team
    for _, each in ipairs(api:get("/teams", { token = sessions.dispatcher }).json.data) do
      team = #each.members == 2 and each or team
    end
    local order = api:post("/workorders", { token = sessions.dispatcher,
      json = { title = "Sweep the square" } }).json.data.id
    local function put(token, action, body)
      return function()
        return api:put("/workorders/" .. order .. "/" .. action, { token = token, json = body })
      end
    end
    local tech1, tech2 = sessions.tech1, sessions.tech2
    assert.same({ [200] = 1, [409] = 1 }, tally(client.at_once({
      put(sessions.dispatcher, "assign", { teamId = assert(team).id }),
      put(sessions.owner, "assign", { teamId = team.id }) })))
    assert.same({ [200] = 1, [409] = 3 }, tally(client.at_once({
      put(tech1, "accept", {}), put(tech2, "accept", {}), put(tech1, "accept", {}),
      put(tech2, "accept", {}) })))
    local holder = api:get("/workorders/" .. order, { token = tech1 }).json.data.assignee.name
    local mine = holder:find("^Tom") and tech1 or tech2
    assert.same({ [200] = 1, [409] = 2 }, tally(client.at_once({
      put(mine, "start", {}), put(mine, "start", {}), put(mine, "start", {}) })))
  end)

  local function with_photos(photos)
    local parts = { { "data", require("cjson").encode(report()) } }
    for _, photo in ipairs(photos) do
      parts[#parts + 1] = { "photos", photo, filename = "p.jpg", type = "image/jpeg" }
    end
    return api:post("/reports", { tenant = "riverton", multipart = parts })
  end

  it("has its photos looked at: four of them, a fake, a cut-off one, a bomb", function()
    local jpeg = pictures.jpeg(64, 64)
    local before = server:sql("SELECT COUNT(*) FROM reports")
    assert.equal(400, with_photos({ jpeg, jpeg, jpeg, jpeg }).status)
    assert.equal(400, with_photos({ "this is no picture" }).status)
    assert.equal(400, with_photos({ pictures.jpeg(640, 480):sub(1, 4000) }).status)
    assert.equal(400, with_photos({ "%PDF-1.7 and so on" }).status)
    assert.equal(400, with_photos({ "<svg xmlns='http://www.w3.org/2000/svg'/>" }).status)
    local bomb = with_photos({ pictures.png_claiming(65500, 65500) })
    assert.equal(400, bomb.status, bomb.body)
    assert.equal(before, server:sql("SELECT COUNT(*) FROM reports"))
    assert.equal(201, with_photos({ jpeg, jpeg, jpeg }).status)
  end)

  it("leaves no file and no row when the client goes in the middle of an upload", function()
    local before = server:sql("SELECT COUNT(*) FROM reports")
    local socket = require("cqueues.socket").connect("127.0.0.1", server.port)
    socket:setmode("bn", "bn")
    local head = "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nX-Tenant: riverton\r\n"
      .. "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
      .. '--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
    assert(socket:xwrite(head .. ("x"):rep(300000), "bn"))
    socket:flush()
    servers.sleep(0.3)
    socket:close()
    servers.sleep(0.5)
    local _, left = servers.shell("ls " .. server.data .. "/tmp")
    assert.equal("", left)
    assert.equal(before, server:sql("SELECT COUNT(*) FROM reports"))
  end)

  it("gets 413 for a body above the limit", function()
    refused(413, "PAYLOAD_TOO_LARGE", api:post("/reports", { tenant = "riverton",
      body = '{"title":"' .. ("x"):rep(1024 * 1024) .. '"}', headers = { ["content-type"] = "application/json" } }))
  end)

  it("gets 400 for unknown query parameters and values", function()
    for _, query in ipairs({ "status=nope", "sort=height", "limit=0", "limit=101", "bbox=1,2,3", "colour=red" }) do
      refused(400, "VALIDATION_ERROR", api:get("/reports?" .. query, { token = sessions.dispatcher }))
    end
  end)
end)
