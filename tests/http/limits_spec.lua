-- How often one may ask, and what a repeated POST gets: on two workers, with the real limits.
local cjson = require("cjson")
local cqueues = require("cqueues")
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

local function report(title)
  return {
    title = title, category = "street_light", severity = "low",
    location = { latitude = 51 + math.random() / 10, longitude = -2 - math.random() / 10 },
  }
end

--- Runs fn(1) ... fn(count) at the same time.
local function together(count, fn)
  local loop = cqueues.new()
  for i = 1, count do
    loop:wrap(function()
      fn(i)
    end)
  end
  assert(loop:loop())
end

local function kill_workers(pids)
  os.execute("kill -KILL " .. table.concat(pids, " "))
end

--- Sends until there is an answer: processes die meanwhile.
local function insist(send)
  for _ = 1, 300 do
    local ok, answer = pcall(send)
    if ok and answer.status < 500 then
      return answer
    end
    cqueues.sleep(0.1)
  end
  error("no answer")
end

describe("limits", function()
  local server, api, token

  setup(function()
    math.randomseed(os.time())
    server = servers.start({ env = { FIXXIT_LIMITS_SCALE = 1, FIXXIT_SERVER_WORKERS = 2,
      FIXXIT_HTTP_TRUSTED_PROXIES = "127.0.0.1" } })
    api = server.api
    token = api:login("dispatcher@riverton.example").token
  end)

  teardown(function()
    server:stop()
  end)

  local function register(i)
    return api:post("/auth/register", { json = { email = "nobody" .. i .. "@nowhere.example" } })
  end

  describe("of a class", function()
    it("hold exactly, whichever worker is asked, and survive the workers", function()
      local statuses = { [400] = 0, [429] = 0 }
      together(20, function(i)
        local answer = register(i)
        statuses[answer.status] = statuses[answer.status] + 1
      end)
      assert.same({ [400] = 5, [429] = 15 }, statuses)
      kill_workers(server:pids("http"))
      local answer = insist(function()
        return register(21)
      end)
      assert.equal(429, answer.status)
      assert.equal("RATE_LIMITED", answer.json.error.code)
      local retry_after = tonumber(answer.headers["retry-after"])
      assert.truthy(retry_after >= 1 and retry_after <= 12)
      assert.equal("5", answer.headers["ratelimit-limit"])
      assert.equal("0", answer.headers["ratelimit-remaining"])
    end)

    it("are as many as the specification says, at that bound and above", function()
      for path, most in pairs({ ["/auth/login"] = 10, ["/auth/register"] = 5,
        ["/auth/forgot-password"] = 5, ["/reports"] = 10 }) do
        local taken, began = 0, cqueues.monotime()
        together(most + 5, function(i)
          local answer = api:post(path, { tenant = "riverton", json = {},
            headers = { ["x-forwarded-for"] = "203.0.113.7" } })
          assert.equal(tostring(most), answer.headers["ratelimit-limit"])
          assert.equal(answer.status == 429 and "RATE_LIMITED" or "VALIDATION_ERROR",
            answer.json.error.code, path .. " " .. i)
          taken = taken + (answer.status == 429 and 0 or 1)
        end)
        local regained = math.floor((cqueues.monotime() - began) * most / 60)
        assert.truthy(taken >= most and taken <= most + regained, taken .. " of " .. path)
      end
    end)

    it("tell on every answer where the caller stands", function()
      local function check(answer)
        for _, name in ipairs({ "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset" }) do
          assert.truthy(tonumber(answer.headers[name]), name .. " of " .. answer.status)
        end
      end
      check(api:get("/health", { root = true }))
      check(api:get("/health"))
      check(api:get("/nothing"))
      check(api:get("/reports"))
      check(api:get("/reports", { token = token }))
      check(api:get("/reports", { token = "x.y.z" }))
      check(api:get("/reports", { tenant = "no-such-tenant" }))
      check(api:put("/reports"))
      check(api:options("/reports"))
      check(api:post("/reports", { tenant = "riverton", json = {} }))
      check(api:post("/auth/login", { body = "{", headers = { ["content-type"] = "application/json" } }))
      check(api:get("/dashboard", { root = true }))
      check(api:put("/dashboard", { root = true }))
      check(api:get("/events?topic=nothing:1", { root = true }))
    end)

    it("are stricter for anonymous reports than for those of people who signed in", function()
      local refused = 0
      for i = 1, 15 do
        local answer = api:post("/reports", { tenant = "riverton",
          json = report("Anonymous " .. i) })
        refused = refused + (answer.status == 429 and 1 or 0)
      end
      assert.truthy(refused >= 4, refused .. " were refused")
      for i = 1, 15 do
        local answer = api:post("/reports", { token = token, json = report("Known " .. i) })
        assert.equal(201, answer.status)
      end
    end)
  end)

  it("of a tenant go by its tier, and by what was agreed with it", function()
    local function profile()
      return api:get("/users/profile", { token = token })
    end
    -- Each worker hears of it by what announces it, as the platform's own changes do.
    local function becomes(wanted)
      local agreed = 0
      for _ = 1, 200 do
        local found = profile().headers["ratelimit-limit"]
        agreed = found == wanted and agreed + 1 or 0
        if agreed == 20 then
          return true
        end
        servers.sleep(agreed == 0 and 0.1 or 0)
      end
    end
    local function change(assignments)
      server:sql("UPDATE tenants SET " .. assignments .. " WHERE slug = 'riverton'; INSERT INTO "
        .. "security_events (kind, tenant_id) "
        .. "SELECT 'tenant.changed', id FROM tenants WHERE slug = 'riverton'")
    end
    change("subscription_tier = 'pro'")
    assert.truthy(becomes("1000"))
    change([[api_limits = '{"requests":4,"periodSeconds":3600}']])
    assert.truthy(becomes("4"))
    assert.equal(429, profile().status)
    change("subscription_tier = 'enterprise', api_limits = '{}'")
    assert.truthy(becomes("6000000"))
  end)

  describe("a POST with an Idempotency-Key", function()
    local function post(key, body)
      return api:post("/reports", { token = token, json = body,
        headers = { ["Idempotency-Key"] = key } })
    end

    local function count(title)
      return tonumber(server:sql("SELECT COUNT(*) FROM reports WHERE title = '" .. title .. "'"))
    end

    it("is done once, and answered alike", function()
      local body = report("Once only")
      local first, second = post("k1", body), post("k1", body)
      assert.equal(201, first.status, first.body)
      assert.is_nil(first.headers["idempotent-replayed"])
      assert.equal("true", second.headers["idempotent-replayed"])
      assert.equal(first.body, second.body)
      assert.equal(first.headers.location, second.headers.location)
      assert.equal(1, count("Once only"))
    end)

    it("replays a refusal as well", function()
      local body = { title = "x" }
      local first, second = post("k2", body), post("k2", body)
      assert.equal(400, first.status)
      assert.equal(first.body, second.body)
      assert.equal("true", second.headers["idempotent-replayed"])
    end)

    it("goes by the contents of a form, not by its boundary", function()
      local body = cjson.encode(report("With a picture"))
      local function send(picture)
        return api:post("/reports", { token = token, headers = { ["Idempotency-Key"] = "form" },
          multipart = {
            { "data", body },
            { "photos", picture, filename = "a.jpg", type = "image/jpeg" },
          } })
      end
      local picture, other = pictures.jpeg(64, 64), pictures.jpeg(64, 65)
      local first, second = send(picture), send(picture)
      assert.equal(201, first.status, first.body)
      assert.equal(first.body, second.body)
      assert.equal("true", second.headers["idempotent-replayed"])
      assert.equal(409, send(other).status)
      assert.equal(1, count("With a picture"))
    end)

    it("tells forms apart whose fields came as a file", function()
      local function send(fields)
        return api:post("/reports", { token = token, headers = { ["Idempotency-Key"] = "blob" }, multipart = {
          { "data", cjson.encode(fields), filename = "blob", type = "application/json" } } })
      end
      local one = report("As a blob")
      local first, again = send(one), send(one)
      assert.equal(201, first.status, first.body)
      assert.equal("As a blob", first.json.data.title)
      assert.equal(first.body, again.body)
      assert.equal(409, send(report("Another blob")).status)
      assert.equal(1, count("As a blob"))
    end)

    it("refuses the key for another body", function()
      assert.equal(201, post("k3", report("First body")).status)
      local answer = post("k3", report("Second body"))
      assert.equal(409, answer.status)
      assert.equal("IDEMPOTENCY_MISMATCH", answer.json.error.code)
      assert.equal(0, count("Second body"))
    end)

    it("refuses a key that is none", function()
      assert.equal(400, post(("x"):rep(256), report("Long key")).status)
      assert.equal(400, post("two words", report("Spaced key")).status)
    end)

    it("is not kept where the answer holds tokens", function()
      local function login()
        return api:post("/auth/login", { headers = { ["Idempotency-Key"] = "k4" },
          json = { email = "owner@riverton.example", password = "Fixxit-demo-2026" } })
      end
      local first, second = login(), login()
      assert.equal(200, second.status)
      assert.is_nil(second.headers["idempotent-replayed"])
      assert.are_not.equal(first.json.data.refreshToken, second.json.data.refreshToken)
    end)

    it("runs once when ten come at once", function()
      local body, bodies = report("Ten at once"), {}
      together(10, function(i)
        local answer = post("k5", body)
        assert.equal(201, answer.status, answer.body)
        bodies[i] = answer.body
      end)
      for i = 2, 10 do
        assert.equal(bodies[1], bodies[i])
      end
      assert.equal(1, count("Ten at once"))
    end)

    it("is done once although workers are killed in the middle and all is sent again", function()
      local least, most, each = 3, 50, 16
      local unanswered, round = 0, 0
      while round < least or unanswered == 0 and round < most do
        round = round + 1
        local loop, workers = cqueues.new(), server:pids("http")
        for i = 1, each do
          loop:wrap(function()
            local key = ("killed-%d-%d"):format(round, i)
            local body = report(key)
            local ok, first = pcall(post, key, body)
            if not ok then
              unanswered = unanswered + 1
            end
            local again = insist(function()
              return post(key, body)
            end)
            assert.equal(201, again.status, again.body)
            if ok and first.status == 201 then
              assert.equal(first.body, again.body)
            end
          end)
        end
        loop:wrap(function()
          cqueues.sleep(math.random() * 0.03)
          kill_workers(workers)
        end)
        assert(loop:loop())
      end
      assert.truthy(unanswered > 0, "no request was hit")
      assert.equal(round * each .. "\t" .. round * each .. "\n", server:sql(
        "SELECT COUNT(*), COUNT(DISTINCT title) FROM reports WHERE title LIKE 'killed-%'"))
    end)
  end)
end)
