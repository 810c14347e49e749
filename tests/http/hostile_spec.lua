-- What no client should send. Whatever comes is answered, never with 500, and leaves no trace in
-- the log of a request that failed.
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

local EMOJI = "\240\159\152\128"
local UNKNOWN = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"

local function nested(levels)
  return levels == 0 and 1 or { a = nested(levels - 1) }
end

-- Values that fit no field, or hardly.
local ODD = {
  true, -1, 1.5, 2 ^ 53 + 2, 1e300, "", "x", ("x"):rep(70000), EMOJI:rep(300), "a\0b",
  ("("):rep(3000) .. "1234567", {}, { {} }, nested(20), "9999-12-31T23:59:59-12:00",
  "0000-01-01T00:00:00Z", "\226\128\174abc",
}

describe("a hostile client", function()
  local server, api, sessions, technician

  setup(function()
    server = servers.start()
    api = server.api
    sessions = {}
    for _, name in ipairs({ "dispatcher", "tech1", "tech2", "viewer" }) do
      local session = api:login(name .. "@riverton.example")
      sessions[name] = session.token
      technician = name == "tech1" and session.user.id or technician
    end
  end)

  teardown(function()
    server:stop()
  end)

  local function answered(answer, what, ...)
    assert.is_true(answer.status < 500, what .. ": " .. answer.status .. " " .. answer.body)
    if select("#", ...) > 0 then
      assert.equal((...), answer.status, what .. ": " .. answer.body)
    end
    return answer
  end

  local function report(fields)
    local body = { title = "Broken lamp", category = "street_light",
      location = { latitude = 51.45, longitude = -2.59 } }
    for name, value in pairs(fields or {}) do
      body[name] = value
    end
    return body
  end

  -- A work order that tech1 has accepted.
  local function accepted_order()
    local id = api:post("/workorders", { token = sessions.dispatcher,
      json = { title = "Mend the lamp" } }).json.data.id
    api:put("/workorders/" .. id .. "/assign", { token = sessions.dispatcher,
      json = { userId = technician } })
    assert.equal(200, api:put("/workorders/" .. id .. "/accept",
      { token = sessions.tech1, json = {} }).status)
    return id
  end

  it("sends any bytes in headers", function()
    local login = { email = "viewer@riverton.example", password = "Fixxit-demo-2026" }
    for _, agent in ipairs({ "\255\254", ("x"):rep(299) .. "\195\169", ("x"):rep(9000) }) do
      answered(api:post("/auth/login", { json = login, headers = { ["user-agent"] = agent } }),
        "User-Agent", 200)
    end
    local id = ("a"):rep(128)
    local answer = answered(api:post("/reports", { tenant = "riverton", json = report(),
      headers = { ["x-request-id"] = id } }), "X-Request-Id", 201)
    assert.not_equal(id, answer.headers["x-request-id"])
    for _, slug in ipairs({ "\255\254", EMOJI, "riverton'--", ("x"):rep(300) }) do
      answered(api:get("/reports/categories", { tenant = slug }), "X-Tenant", 404)
    end
    for _, kind in ipairs({ "", ";", "\128;;", "text/plain" }) do
      answered(api:post("/reports", { tenant = "riverton", body = "{}",
        headers = { ["content-type"] = kind } }), "Content-Type " .. kind, 415)
    end
  end)

  it("sends values of every kind in every field", function()
    local function try(fields, send)
      for _, field in ipairs(fields) do
        for i, value in ipairs(ODD) do
          answered(send(field, value), field .. " = value " .. i)
        end
      end
    end
    local function with(body, field, value)
      body[field] = value
      return body
    end
    try({ "title", "description", "category", "severity", "location", "metadata", "tags", "source",
      "reporter", "tenant" }, function(field, value)
      return api:post("/reports", { tenant = "riverton", json = report({ [field] = value }) })
    end)
    try({ "description", "latitude", "longitude", "accuracy" }, function(field, value)
      return api:post("/reports", { tenant = "riverton",
        json = report({ location = with({ latitude = 1, longitude = 1 }, field, value) }) })
    end)
    try({ "name", "email", "phone" }, function(field, value)
      return api:post("/reports", { tenant = "riverton",
        json = report({ reporter = { [field] = value } }) })
    end)
    local count = 0
    try({ "email", "password", "firstName", "lastName", "fullName", "phone", "employee", "tenant" },
      function(field, value)
        count = count + 1
        return api:post("/auth/register", { json = with({ email = "a" .. count .. "@x.example",
          password = "Hjkl-4242-uiop", fullName = "A B" }, field, value) })
      end)
    try({ "firstName", "lastName", "fullName", "phone", "employee", "newPassword" },
      function(field, value)
        return api:put("/users/profile", { token = sessions.viewer, json = { [field] = value } })
      end)
    try({ "title", "description", "priority", "location", "estimatedMinutes", "checklist",
      "metadata", "reportId" }, function(field, value)
      return api:post("/workorders", { token = sessions.dispatcher,
        json = with({ title = "Mend the lamp" }, field, value) })
    end)
    local order = accepted_order()
    try({ "workOrderId", "description", "materialsUsed", "timeSpent", "completionDate" },
      function(field, value)
        return api:post("/remediations", { token = sessions.tech1,
          json = with({ workOrderId = order, description = "New bulb" }, field, value) })
      end)
  end)

  it("sends the longest that the limits allow", function()
    answered(api:post("/reports", { tenant = "riverton", json = report({
      title = EMOJI:rep(200), description = EMOJI:rep(5000),
      reporter = { name = EMOJI:rep(200), email = ("a"):rep(242) .. "@x.example",
        phone = ("("):rep(25) .. "1234567" },
    }) }), "a report", 201)
    answered(api:post("/auth/register", { json = { email = "longest@x.example",
      password = "Hjkl-4242-uiop", fullName = EMOJI:rep(50) .. " " .. EMOJI:rep(49) } }),
      "an account", 201)
    local order = accepted_order()
    answered(api:put("/workorders/" .. order .. "/start", { token = sessions.tech1,
      json = { reason = EMOJI:rep(1000) } }), "a reason", 200)
    answered(api:put("/workorders/" .. order .. "/complete", { token = sessions.tech1,
      json = { notes = EMOJI:rep(5000), minutesSpent = 100000 } }), "notes", 200)
    local history = api:get("/workorders/" .. order .. "/history", { token = sessions.tech1 })
    local last = history.json.data[#history.json.data]
    assert.equal(EMOJI:rep(5000), last.details.notes)
  end)

  it("asks for anything in a query", function()
    for _, query in ipairs({ "q=%00", "q=%ff", "%ff=1", "category=%F0%9F%98%80",
      "tag=%F0%9F%98%80", "near=90,180", "near=-90,0&radius=50000", "bbox=-180,-90,180,90",
      "createdFrom=0001-01-01", "createdTo=9999-12-31T23:59:59-12:00", "cursor=" .. ("A"):rep(2000),
      "page=100000&limit=100", "q=" .. ("%25"):rep(60) }) do
      answered(api:get("/reports?" .. query, { token = sessions.dispatcher }), query)
      answered(api:get("/users?" .. query, { token = sessions.dispatcher }), query)
    end
    for _, query in ipairs({ "fields=secret", "fields=", "sort=,", "sort=-", "limit=1&limit=2",
      "page=1&cursor=x", "status=" }) do
      answered(api:get("/reports?" .. query, { token = sessions.dispatcher }), query, 400)
    end
    for _, word in ipairs({ "%25", "_", "%5C" }) do
      local found = api:get("/users?q=" .. word, { token = sessions.dispatcher }).json.data
      assert.equal(0, #found, word .. " stands for itself")
    end
  end)

  it("cannot keep the server busy with one long value", function()
    local started = os.time()
    answered(api:post("/reports", { tenant = "riverton",
      json = report({ title = "a" .. (" "):rep(500000) .. "b" }) }), "spaces in a title", 400)
    answered(api:put("/reports/" .. UNKNOWN, { token = sessions.dispatcher,
      json = { title = "changed" }, headers = { ["if-match"] = '"' .. ("1"):rep(15000) } }),
      "digits in If-Match", 404)
    answered(api:get("/reports?bbox=" .. ("1"):rep(23) .. (("," .. ("1"):rep(23)):rep(3)) .. "x",
      { token = sessions.dispatcher }), "digits in bbox", 400)
    assert.is_true(os.time() - started < 5)
  end)

  it("cannot tell other people's remediations from none by sending pictures", function()
    local order = accepted_order()
    local id = api:post("/remediations", { token = sessions.tech1,
      json = { workOrderId = order, description = "New bulb" } }).json.data.id
    local picture = pictures.jpeg(64, 64)
    for _, remediation in ipairs({ id, UNKNOWN }) do
      for _, content in ipairs({ picture, "no picture" }) do
        answered(api:post("/remediations/" .. remediation .. "/photos", { token = sessions.tech2,
          multipart = { { "before", content, filename = "a.jpg" } } }), "photos", 404)
      end
    end
  end)

  it("leaves nothing behind in the log", function()
    assert.is_nil(server:log_text():find("request failed", 1, true))
  end)
end)
