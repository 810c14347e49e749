-- Lists and details: pages, cursors, sorts, filters, sparse fields, what is included, tags.
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

local COUNT = 23

describe("a list", function()
  local server, api, dispatcher, stranger

  setup(function()
    server = servers.start()
    api = server.api
    dispatcher = api:login("dispatcher@riverton.example").token
    stranger = api:login("dispatcher@northgrid.example").token
    for i = 1, COUNT do
      assert.equal(201, api:post("/reports", { tenant = "riverton", json = {
        title = "Lamp " .. i % 5, category = "other",
        severity = i % 2 == 0 and "low" or "critical",
        location = { latitude = 51.456900000000005, longitude = -2.58790000000000031 } } }).status)
    end
  end)

  teardown(function()
    server:stop()
  end)

  local function get(path, token)
    local answer = api:get(path, { token = token or dispatcher })
    assert.equal(200, answer.status, answer.body)
    return answer.json
  end

  local function add_ids(ids, rows)
    for _, row in ipairs(rows) do
      ids[#ids + 1] = row.id
    end
  end

  local function by_cursor(path)
    local ids, cursor = {}, ""
    repeat
      local answer = get(path .. cursor)
      add_ids(ids, answer.data)
      local next_cursor = answer.meta.nextCursor
      assert.equal(answer.meta.hasMore, type(next_cursor) == "string")
      cursor = answer.meta.hasMore and "&cursor=" .. next_cursor or nil
    until not cursor
    return ids
  end

  local function by_page(path)
    local ids, page, meta = {}, 0
    repeat
      page = page + 1
      local answer = get(path .. "&page=" .. page)
      add_ids(ids, answer.data)
      meta = answer.meta
    until page >= meta.totalPages
    assert.equal(meta.total, #ids)
    return ids
  end

  it("is the same by cursor and by page, for every sort", function()
    for list, sorts in pairs({
      reports = { "createdAt", "-createdAt", "-severity,title", "status", "title", "slaDueAt", "-slaDueAt",
        "-updatedAt" },
      workorders = { "number", "-priority", "status,-number", "-updatedAt" },
      users = { "name", "-name", "-joinedAt" },
      teams = { "name", "-createdAt" },
    }) do
      for _, sort in ipairs(sorts) do
        local path = "/" .. list .. "?limit=" .. (list == "teams" and 1 or 7) .. "&sort=" .. sort
        local ids = by_cursor(path)
        assert.same(by_page(path), ids, path)
        local seen = {}
        for _, id in ipairs(ids) do
          assert.is_nil(seen[id], path .. " shows one twice")
          seen[id] = true
        end
      end
    end
  end)

  it("goes by titles that look like times as by any other", function()
    for _, title in ipairs({ "2031-05-05T00:00:00Z", "2031-05-05T00:00:01Z", "2031-99-01T00:00:00Z", "2031-01-01T bla Z" }) do
      assert.equal(201, api:post("/reports", { tenant = "riverton", json = { title = title, category = "other",
        location = { description = "here" } } }).status)
    end
    for _, sort in ipairs({ "title", "-title" }) do
      local path = "/reports?limit=1&q=2031-&sort=" .. sort
      assert.same(by_page(path), by_cursor(path))
    end
    assert.equal(400, api:get("/reports?sort=title,-title", { token = dispatcher }).status)
  end)

  it("goes on where it was, whatever is added meanwhile", function()
    local first = get("/reports?limit=5&sort=-createdAt")
    api:post("/reports", { tenant = "riverton", json = { title = "New one", category = "other",
      location = { description = "here" } } })
    local second = get("/reports?limit=5&sort=-createdAt&cursor=" .. first.meta.nextCursor)
    local both = get("/reports?limit=11&sort=-createdAt").data
    for i = 1, 5 do
      assert.equal(both[i + 1].id, first.data[i].id)
      assert.equal(both[i + 6].id, second.data[i].id)
    end
  end)

  it("takes no cursor of another list, sort or tenant, nor a changed one", function()
    local cursor = get("/reports?limit=1&sort=status").meta.nextCursor
    local changed = cursor:sub(1, 30) .. (cursor:sub(31, 31) == "A" and "B" or "A") .. cursor:sub(32)
    for _, case in ipairs({ { "/reports?sort=status&cursor=" .. changed },
      { "/reports?sort=-status&cursor=" .. cursor }, { "/reports?cursor=" .. cursor },
      { "/workorders?sort=status&cursor=" .. cursor },
      { "/reports?sort=status&cursor=" .. cursor, stranger } }) do
      local answer = api:get(case[1], { token = case[2] or dispatcher })
      assert.equal(400, answer.status, case[1])
      assert.equal("cursor", answer.json.error.details[1].field)
    end
  end)

  it("is a list also when it is empty, and says so", function()
    local answer = api:get("/reports?category=none", { token = dispatcher })
    assert.truthy(answer.body:find('"data":[]', 1, true))
    assert.truthy(answer.body:find('"nextCursor":null', 1, true))
    assert.same({ limit = 20, page = 1, total = 0, totalPages = 0 },
      get("/reports?category=none&page=1").meta)
  end)

  it("shows only the fields asked for", function()
    local row = get("/reports?fields=title,status&limit=1").data[1]
    local names = {}
    for name in pairs(row) do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ "id", "status", "title" }, names)
  end)

  local function ids_of(rows)
    local ids = {}
    for i, row in ipairs(rows) do
      ids[i] = row.id
    end
    return ids
  end

  local function made(path, options)
    local answer = api:post(path, options)
    assert.equal(201, answer.status, answer.body)
    return answer.json.data
  end

  local function refused(status, path, token)
    local answer = api:get(path, { token = token or dispatcher })
    assert.equal(status, answer.status, path .. ": " .. answer.body)
    return answer.json.error
  end

  it("of reports finds them by place and by words", function()
    local function at(title, latitude, longitude)
      return made("/reports", { tenant = "riverton", json = { title = title, category = "other",
        tags = { "placed" }, description = "50% off_road",
        location = { latitude = latitude, longitude = longitude } } }).id
    end
    local harbour, bridge, far = at("Harbour wall", 10.001, 20.001), at("Harbour bridge", 10.004, 20.004),
      at("Far away", -10, -20)
    local placeless = made("/reports", { tenant = "riverton", json = { title = "Nowhere wall",
      category = "other", tags = { "placed" }, location = { description = "somewhere" } } }).id
    local function found(filter)
      return ids_of(get("/reports?tag=placed&sort=createdAt&" .. filter).data)
    end
    assert.same({ harbour, bridge, far, placeless }, found("limit=10"))
    assert.same({ harbour, bridge }, found("bbox=20,10,20.01,10.01"))
    assert.same({ harbour }, found("bbox=20.001,10.001,20.001,10.001")) -- its edge is inside
    assert.same({ far }, found("bbox=-180,-90,0,0"))
    assert.same({}, found("bbox=20.01,10.01,20.02,10.02"))
    assert.equal(2, get("/reports?page=1&tag=placed&bbox=20,10,20.01,10.01").meta.total)
    assert.same({ harbour }, found("near=10.001,20.001&radius=100"))
    assert.same({ harbour, bridge }, found("near=10.001,20.001&radius=1000"))
    assert.same({ harbour, bridge }, found("q=harbour"))
    assert.same({ bridge }, found("q=bridge%20HARBOUR"))
    assert.same({ harbour }, found("q=wall&bbox=20,10,20.01,10.01"))
    assert.same({ placeless }, found("q=somewhere"))
    assert.same({ harbour, bridge, far }, found("q=50%25"))
    assert.same({}, found("q=5%250"))
    assert.same({}, found("q=off%25road"))
    for _, box in ipairs({ "20,10,19,11", "20,10,21,9", "20,10,21", "a,b,c,d", "-181,0,0,0", "0,0,0,91" }) do
      assert.equal("bbox", refused(400, "/reports?bbox=" .. box).details[1].field, box)
    end
    for _, place in ipairs({ "91,0", "0,181", "1", "a,b" }) do
      assert.equal("near", refused(400, "/reports?near=" .. place).details[1].field, place)
    end
  end)

  describe("of reports with work on them", function()
    local technician, citizen, worked_on, idle, order

    setup(function()
      technician = api:login("tech1@riverton.example")
      citizen = api:login("citizen@riverton.example")
      local function report(title)
        return made("/reports", { token = citizen.token, multipart = {
          { "data", ([[{"title":"%s","category":"other","tags":["work-spec","%s"],
            "location":{"description":"here"}}]]):format(title, title) },
          { "photos", pictures.jpeg(64, 64), filename = "a.jpg", type = "image/jpeg" } } }).id
      end
      worked_on, idle = report("worked-on"), report("idle")
      order = made("/workorders", { token = dispatcher, json = { reportId = worked_on } }).id
      assert.equal(200, api:put("/workorders/" .. order .. "/assign",
        { token = dispatcher, json = { userId = technician.user.id } }).status)
    end)

    it("finds them by tag, reporter, assignee and what is overdue", function()
      local function found(filter)
        return ids_of(get("/reports?sort=createdAt&tag=work-spec&" .. filter).data)
      end
      assert.same({ worked_on, idle }, found("limit=5"))
      assert.same({ idle }, ids_of(get("/reports?tag=idle").data))
      assert.same({ worked_on, idle }, found("reporter=" .. citizen.user.id))
      assert.same({}, found("reporter=" .. technician.user.id))
      assert.same({ worked_on }, found("assignee=" .. technician.user.id))
      assert.equal(1, get("/reports?page=1&tag=work-spec&assignee=" .. technician.user.id).meta.total)
      assert.same({}, found("assignee=" .. citizen.user.id))
      assert.same({}, found("overdue=true"))
      server:sql("UPDATE reports SET sla_due_at = NOW(3) - INTERVAL 1 HOUR WHERE id = '" .. idle .. "'")
      assert.same({ idle }, found("overdue=true"))
      assert.same({ worked_on }, found("overdue=false"))
    end)

    it("includes attachments and work orders, with any choice of fields", function()
      local path = "/reports?sort=createdAt&tag=work-spec&include=attachments,workOrders"
      for _, query in ipairs({ "", "&fields=title" }) do
        local rows = get(path .. query).data
        assert.equal(order, rows[1].workOrders[1].id)
        assert.equal(0, #rows[2].workOrders)
        for i = 1, 2 do
          assert.equal(1, #rows[i].attachments)
          assert.equal("image/jpeg", rows[i].attachments[1].type)
        end
        assert.equal(query ~= "", rows[1].status == nil)
      end
      assert.truthy(api:get(path, { token = dispatcher }).body:find('"workOrders":[]', 1, true))
      assert.is_nil(get("/reports?tag=work-spec").data[1].attachments)
      assert.equal(0, #get("/reports?category=none&include=attachments,workOrders").data)
    end)

    it("shows work orders to those who may see them", function()
      local path = "/reports?sort=createdAt&tag=work-spec&include=workOrders"
      assert.equal(1, #get(path, technician.token).data[1].workOrders)
      local other = api:login("tech2@riverton.example").token
      assert.equal(0, #get(path, other).data[1].workOrders)
      assert.equal(0, #get("/reports/" .. worked_on, other).data.workOrders)
      assert.equal(1, #get("/reports/" .. worked_on, technician.token).data.workOrders)
      refused(403, path, citizen.token)
      refused(403, "/reports?assignee=" .. technician.user.id, citizen.token)
      assert.equal(1, #get("/reports?tag=idle&include=attachments", citizen.token).data[1].attachments)
    end)

    it("refuses what nobody includes", function()
      local err = refused(400, "/reports?include=attachments,secrets")
      assert.equal("include", err.details[1].field)
      assert.matches("attachments, escalations, workOrders", err.details[1].message)
      assert.equal("assignee", refused(400, "/reports?assignee=none").details[1].field)
    end)
  end)

  it("of work orders finds them by time and by what is overdue", function()
    local order = made("/workorders", { token = dispatcher, json = { title = "Very late work" } })
    server:sql("UPDATE work_orders SET created_at = '2020-05-05 10:00:00', sla_due_at = '2020-05-06' "
      .. "WHERE id = '" .. order.id .. "'")
    local span = "/workorders?createdFrom=2020-05-05T00:00:00Z&createdTo=2020-05-05T23:00:00Z"
    assert.same({ order.id }, ids_of(get(span).data))
    assert.same({ order.id }, ids_of(get(span .. "&overdue=true").data))
    assert.same({}, get(span .. "&overdue=false").data)
    assert.same({}, get("/workorders?createdTo=2020-05-05T09:00:00Z").data)
    local board = get(span .. "&view=kanban&limit=1").data.columns
    assert.equal(order.id, board[1].items[1].id)
    assert.equal(0, board[2].count)
    server:sql("UPDATE work_orders SET status = 'completed' WHERE id = '" .. order.id .. "'")
    assert.same({}, get(span .. "&overdue=true").data)
  end)

  it("of work orders finds words, shows only the fields asked for, and includes files", function()
    local order = made("/workorders", { token = dispatcher, json = { title = "Paint 100% of the rail",
      description = "green_ish", location = { description = "Harbour bridge" } } })
    made("/files/upload", { token = dispatcher, multipart = { { "parentType", "workorder" },
      { "parentId", order.id }, { "file", pictures.jpeg(64, 64), filename = "a.jpg" } } })
    for _, words in ipairs({ "rail%20Paint", "100%25", "green_ish", "harbour%20rail", order.number }) do
      assert.same({ order.id }, ids_of(get("/workorders?q=" .. words).data), words)
    end
    for _, words in ipairs({ "10%25", "greenxish", "rail%20nowhere" }) do
      assert.same({}, get("/workorders?q=" .. words).data, words)
    end
    for _, view in ipairs({ "", "&view=kanban" }) do
      local data = get("/workorders?fields=title,team&include=attachments&q=rail" .. view).data
      local row = data[1] or data.columns[1].items[1]
      assert.equal(1, #row.attachments)
      row.attachments = nil
      assert.same({ id = order.id, title = order.title }, row)
    end
    assert.is_nil(get("/workorders?q=rail").data[1].attachments)
    assert.equal("fields[0]", refused(400, "/workorders?fields=secret").details[1].field)
    assert.equal("include[0]", refused(400, "/workorders?include=secret").details[1].field)
  end)

  it("that is a board has no pages", function()
    local cursor = get("/workorders?limit=1").meta.nextCursor
    for name, value in pairs({ page = 1, cursor = cursor }) do
      local err = refused(400, ("/workorders?view=kanban&%s=%s"):format(name, value))
      assert.same({ name, "unknown" }, { err.details[1].field, err.details[1].code })
    end
  end)

  it("gives positions to a centimetre, times with milliseconds in UTC", function()
    local row = get("/reports?sort=createdAt&q=Lamp%201&limit=1").data[1]
    local body = api:get("/reports/" .. row.id, { token = dispatcher }).body
    assert.truthy(body:find('"latitude":51%.4569[,}]'), body)
    assert.truthy(body:find('"longitude":%-2.5879[,}]'), body)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", row.createdAt)
    assert.matches("^%x+%-%x+%-7%x+%-%x+%-%x+$", row.id)
  end)

  it("has details with tags: 304 for what is held, 412 for what is stale", function()
    local report = get("/reports?limit=1").data[1].id
    local order = get("/workorders?limit=1").data[1].id
    local person = get("/users?limit=1").data[1].id
    local code = get("/reports/" .. report).data.trackingCode
    for _, path in ipairs({ "/reports/" .. report, "/workorders/" .. order, "/users/" .. person,
      "/users/me", "/reports/track/" .. code }) do
      local tag = api:get(path, { token = dispatcher }).headers.etag
      assert.matches('^"[^"]+"$', tag)
      local answer = api:get(path, { token = dispatcher, headers = { ["if-none-match"] = tag } })
      assert.equal(304, answer.status, path)
      assert.equal("", answer.body)
      assert.equal(tag, answer.headers.etag)
    end
    for path, body in pairs({ ["/reports/" .. report] = { title = "Changed once" },
      ["/workorders/" .. order] = { title = "Changed once" },
      ["/users/me"] = { firstName = "Dagmar" } }) do
      local tag = api:get(path, { token = dispatcher }).headers.etag
      local function put(header)
        return api:put(path, { token = dispatcher, json = body, headers = { ["if-match"] = header } })
      end
      assert.equal(412, put('"0-stale"').status, path)
      assert.equal(412, put("nonsense").status, path)
      assert.equal(200, put(tag).status, path)
      assert.equal(412, put(tag).status, path)
      assert.equal(200, put("*").status, path)
    end
  end)
end)
