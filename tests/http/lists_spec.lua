-- Lists and details: pages, cursors, sorts, sparse fields, tags.
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
    }) do
      for _, sort in ipairs(sorts) do
        local path = "/" .. list .. "?limit=7&sort=" .. sort
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
