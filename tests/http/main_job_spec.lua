-- The main job over real HTTP and WebSocket: a hazard with a photo becomes a closed work order.
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

describe("the main job", function()
  local server, api, dispatcher, technician
  local report, order

  setup(function()
    server = servers.start()
    api = server.api
    dispatcher = api:login("dispatcher@riverton.example")
    technician = api:login("tech1@riverton.example")
  end)

  teardown(function()
    server:stop()
  end)

  it("takes an anonymous report with a photo and shows it live to the dispatcher", function()
    local socket = api:socket("token=" .. dispatcher.token)
    assert.truthy(socket:expect("auth:ok"))
    local started = os.time()
    local answer = api:post("/reports", {
      tenant = "riverton",
      multipart = {
        { "data", [[{"title":"Live wire over the pavement","category":"electrical","severity":"critical",
          "description":"Hangs at head height.","location":{"latitude":51.4501,"longitude":-2.5902},
          "reporter":{"name":"Ada","email":"ada@example.org"}}]], filename = "blob", type = "application/json" },
        { "photos", pictures.jpeg(640, 480, { gps = { latitude = 51.45, longitude = -2.59 }, orientation = 6 }),
          filename = "wire.jpg", type = "image/jpeg" },
      },
    })
    assert.equal(201, answer.status, answer.body)
    report = answer.json.data
    assert.matches("^%w+$", report.trackingCode)
    assert.equal(8, #report.trackingCode)
    assert.equal("submitted", report.status)
    assert.equal("/api/v1/reports/" .. report.id, answer.headers.location)
    assert.near(51.45, answer.json.meta.exifLocation.latitude, 0.001)
    assert.near(-2.59, answer.json.meta.exifLocation.longitude, 0.001)

    -- what the seed made may be told of first: the relay had no time for it
    local event = socket:expect(function(message)
      return message.event == "report:created" and message.data.id == report.id
    end, 3)
    assert.truthy(event, "no event arrived")
    assert.is_number(event.seq)
    assert.truthy(event.epoch)
    assert.truthy(os.time() - started <= 3)
    socket:close()
  end)

  it("serves the photo upright, without its metadata, to those who may see the report", function()
    local detail = api:get("/reports/" .. report.id, { token = dispatcher.token })
    assert.equal(200, detail.status, detail.body)
    local attachment = detail.json.data.attachments[1]
    assert.equal(480, attachment.width)
    assert.equal(640, attachment.height)
    local picture = api:get(attachment.url, { token = dispatcher.token })
    assert.equal(200, picture.status)
    assert.equal("image/jpeg", picture.headers["content-type"])
    assert.is_nil(picture.body:find("Exif", 1, true))
    local thumbnail = api:get(attachment.thumbnailUrl, { token = dispatcher.token })
    assert.equal(200, thumbnail.status)
    assert.truthy(#thumbnail.body < #picture.body)
    assert.equal(404, api:get(attachment.url).status)
    local tracked = api:get("/reports/track/" .. report.trackingCode).json.data.attachments[1]
    assert.equal(200, api:get(tracked.url).status)
    assert.equal(200, api:get(tracked.thumbnailUrl).status)
    assert.equal(404, api:get(attachment.url, { token = api:login("citizen@riverton.example").token }).status)
    assert.equal(404, api:get(attachment.url, { token = api:login("dispatcher@northgrid.example").token }).status)
  end)

  it("makes a work order of it and assigns it", function()
    local answer = api:post("/workorders", { token = dispatcher.token, json = { reportId = report.id } })
    assert.equal(201, answer.status, answer.body)
    order = answer.json.data
    assert.equal("pending", order.status)
    assert.equal("urgent", order.priority)
    assert.matches("^WO%-%d%d%d%d%-%d%d%d%d%d%d$", order.number)
    local socket = api:socket("token=" .. technician.token)
    assert.truthy(socket:expect("auth:ok"))
    answer = api:put("/workorders/" .. order.id .. "/assign",
      { token = dispatcher.token, json = { userId = technician.user.id, message = "please hurry" } })
    assert.equal(200, answer.status, answer.body)
    assert.equal("assigned", answer.json.data.status)
    local event = socket:expect_event("workorder:assigned", 3)
    assert.truthy(event, "the technician heard nothing")
    assert.equal(order.id, event.data.id)
    socket:close()
    local tracked = api:get("/reports/track/" .. report.trackingCode)
    assert.equal("acknowledged", tracked.json.data.status)
  end)

  it("lets the technician accept, start, document and complete it", function()
    local base = "/workorders/" .. order.id
    local function step(action, body)
      local answer = api:put(base .. "/" .. action, { token = technician.token, json = body or {} })
      assert.equal(200, answer.status, answer.body)
      return answer.json.data
    end
    assert.equal("accepted", step("accept").status)
    assert.equal("in_progress", step("start").status)
    local remediation = api:post("/remediations", {
      token = technician.token,
      json = {
        workOrderId = order.id, description = "Wire taken down, pole secured", timeSpent = 45,
        materialsUsed = { { name = "clamp", quantity = 2, unit = "pcs", cost = 7.5 } },
      },
    })
    assert.equal(201, remediation.status, remediation.body)
    local photos = api:post("/remediations/" .. remediation.json.data.id .. "/photos", {
      token = technician.token,
      multipart = {
        { "before[]", pictures.jpeg(200, 150), filename = "b.jpg", type = "image/jpeg" },
        { "after[]", pictures.jpeg(200, 150), filename = "a.jpg", type = "image/jpeg" },
      },
    })
    assert.truthy(photos.status == 200 or photos.status == 201, photos.body)
    local done = api:get("/remediations/" .. order.id, { token = dispatcher.token })
    assert.equal(200, done.status, done.body)
    assert.equal("completed", step("complete", { notes = "done", minutesSpent = 45 }).status)
  end)

  it("shows the citizen that it is resolved, with the history", function()
    local tracked = api:get("/reports/track/" .. report.trackingCode)
    assert.equal(200, tracked.status)
    assert.equal("resolved", tracked.json.data.status)
    local states = {}
    for _, step in ipairs(tracked.json.data.history) do
      states[#states + 1] = step.status or step.to
    end
    assert.same({ "submitted", "acknowledged", "in_progress", "resolved" }, states)
    assert.is_nil(tracked.body:find("ada@example.org", 1, true))
    assert.is_nil(tracked.body:find("Ada", 1, true))
    assert.equal("verified", api:put("/workorders/" .. order.id .. "/verify",
      { token = dispatcher.token, json = {} }).json.data.status)
  end)

  it("leaves an audit row for every step and nothing in the outbox", function()
    local actions = server:sql("SELECT COUNT(*) FROM audit_logs WHERE resource_id IN ('"
      .. report.id .. "','" .. order.id .. "')")
    assert.truthy(tonumber(actions) >= 6, actions)
    for _ = 1, 20 do
      if tonumber(server:sql("SELECT COUNT(*) FROM outbox")) == 0 then
        return
      end
      servers.sleep(0.1)
    end
    error("events wait in the outbox")
  end)
end)
