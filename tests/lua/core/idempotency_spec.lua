local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local idempotency = require("core.idempotency")
local json = require("core.json")
local reply = require("core.reply")
local task = require("core.task")
local uuid = require("core.uuid")

-- The part of a request that the module looks at.
local Request = {}
Request.__index = Request
function Request:header(name)
  return self.headers[name]
end
function Request:query()
  return self.query_text
end

local ctx = context.system({ name = "spec" })

local function query(sql, ...)
  return db.platform(ctx):query(sql, ...)
end

-- A request of somebody new, unless fields say who.
local function request(fields)
  fields = fields or {}
  return context.new({
    method = "POST", path = fields.path or "/api/v1/things",
    body_text = fields.body or "{}", form = fields.form, tenant = fields.tenant,
    actor = not fields.anonymous
      and { kind = "user", user_id = fields.user or uuid.v7(), permissions = {} } or nil,
    req = setmetatable({ query_text = fields.query or "", headers = {} }, Request),
  })
end

-- A change that is counted: a row of `leases`, which the platform has anyway.
local function change(inner, name)
  db.transaction(inner, function(tx)
    db.platform(tx):exec("INSERT INTO leases (name, holder, fencing_token, expires_at) "
      .. "VALUES (?, 'spec', 1, NOW(3))", name)
  end)
end

local function changes(name)
  return #query("SELECT name FROM leases WHERE name = ?", name)
end


local function run_all(count, fn)
  local done, signal = 0, task.signal()
  local problems = {}
  for i = 1, count do
    task.spawn(function()
      local ok, problem = pcall(fn, i)
      problems[#problems + 1] = not ok and tostring(problem) or nil
      done = done + 1
      signal:notify()
    end)
  end
  while done < count do
    assert(signal:wait(20000))
  end
  assert.same({}, problems)
end

describe("core.idempotency", function()
  before_each(function()
    query("DELETE FROM idempotency_keys")
    query("DELETE FROM leases WHERE holder = 'spec'")
  end)

  it("replays the first answer, headers and body, without running again", function()
    local user, runs = uuid.v7(), 0
    local function handler()
      runs = runs + 1
      return reply.created("/api/v1/things/7", { run = runs, list = json.array({}) },
        { etag = "v1", meta = { a = 1 }, headers = { ["X-Own"] = "yes" } })
    end
    local first = idempotency.run(request({ user = user }), "k", handler)
    local second = idempotency.run(request({ user = user }), "k", handler)
    assert.equal(1, runs)
    assert.equal(201, first.status)
    assert.is_nil(first.headers["Idempotent-Replayed"])
    assert.equal("true", second.headers["Idempotent-Replayed"])
    second.headers["Idempotent-Replayed"] = nil
    assert.same(first, second)
    assert.equal('"v1"', second.headers["ETag"])
    assert.equal("/api/v1/things/7", second.headers["Location"])
    assert.equal("yes", second.headers["X-Own"])
    assert.same({}, json.decode(second.body).data.list)
  end)

  it("refuses the key for another body, query or form", function()
    local user = uuid.v7()
    local function file(sha256)
      return { fields = { title = "x" },
        files = { { name = "photo", filename = "a.jpg", sha256 = sha256 } } }
    end
    local function ok()
      return reply.ok(1)
    end
    idempotency.run(request({ user = user, body = "{}" }), "k", ok)
    idempotency.run(request({ user = user, path = "/f", form = file("aa") }), "k", ok)
    for _, other in ipairs({
      { body = '{"a":1}' }, { body = "{}", query = "force=true" },
      { path = "/f", form = file("bb") }, { path = "/f" },
    }) do
      other.user = user
      local _, err = pcall(idempotency.run, request(other), "k", ok)
      assert.is_true(errors.is(err, "IDEMPOTENCY_MISMATCH"), tostring(err))
      assert.equal(409, err.status)
    end
    local again = request({ user = user, path = "/f", form = file("aa") })
    assert.equal("true", idempotency.run(again, "k", ok).headers["Idempotent-Replayed"])
  end)

  it("keeps users, tenants, paths and keys apart; anonymous callers by their body", function()
    local runs = 0
    local function run(fields, key)
      idempotency.run(request(fields), key or "k", function()
        runs = runs + 1
        return reply.ok(runs)
      end)
    end
    local user, tenant = uuid.v7(), { id = uuid.v7() }
    run({ user = user })
    run({ user = uuid.v7() })
    run({ user = user, tenant = tenant })
    run({ user = user, path = "/other" })
    run({ user = user }, "k2")
    run({ anonymous = true, body = "a" })
    run({ anonymous = true, body = "b" })
    assert.equal(7, runs)
    run({ anonymous = true, body = "a" })
    run({ user = user, tenant = tenant })
    assert.equal(7, runs)
  end)

  it("runs once when twenty come at once, and gives all the same answer", function()
    local user, runs, bodies = uuid.v7(), 0, {}
    run_all(20, function(i)
      local inner = request({ user = user })
      bodies[i] = idempotency.run(inner, "k", function()
        runs = runs + 1
        task.sleep(100)
        change(inner, "twenty")
        return reply.created("/x", { id = uuid.v7() })
      end).body
    end)
    assert.equal(1, runs)
    assert.equal(1, changes("twenty"))
    for i = 2, 20 do
      assert.equal(bodies[1], bodies[i])
    end
  end)

  it("keeps refusals, and what was changed before them", function()
    local user, runs = uuid.v7(), 0
    local function run()
      local inner = request({ user = user })
      return idempotency.run(inner, "k", function()
        runs = runs + 1
        change(inner, "refused")
        errors.raise("CONFLICT", "no " .. runs, { headers = { ["X-Why"] = "so" } })
      end)
    end
    local first, second = run(), run()
    assert.equal(409, first.status)
    assert.equal(first.body, second.body)
    assert.equal("so", second.headers["X-Why"])
    assert.equal("no 1", json.decode(second.body).error.message)
    assert.equal(1, changes("refused"))
  end)

  it("keeps neither 5xx nor 429, and undoes what they had changed", function()
    local user = uuid.v7()
    for _, code in ipairs({ "INTERNAL", "SERVICE_UNAVAILABLE", "RATE_LIMITED" }) do
      local inner = request({ user = user })
      local _, err = pcall(idempotency.run, inner, "k", function()
        change(inner, "undone")
        errors.raise(code, "x")
      end)
      assert.is_true(errors.is(err, code), tostring(err))
      assert.equal(0, changes("undone"))
    end
    local inner = request({ user = user })
    local _, err = pcall(idempotency.run, inner, "k", function()
      change(inner, "undone")
      error("a bug")
    end)
    assert.equal(500, err.status)
    local answer = idempotency.run(request({ user = user }), "k", function()
      return reply.ok("at last")
    end)
    assert.is_nil(answer.headers["Idempotent-Replayed"])
    assert.equal(0, changes("undone"))
  end)

  it("takes over from one that hangs before its commit, once its time has passed", function()
    local user = uuid.v7()
    local changed, resume, ended = task.signal(), task.signal(), task.signal()
    local late
    task.spawn(function()
      local inner = request({ user = user })
      late = idempotency.run(inner, "k", function()
        change(inner, "hung")
        changed:notify()
        resume:wait(10000)
        return reply.ok("first")
      end)
      ended:notify()
    end)
    changed:wait(5000)
    query("UPDATE idempotency_keys SET locked_until = NOW(3) + INTERVAL 300000 MICROSECOND")
    local inner = request({ user = user })
    local answer = idempotency.run(inner, "k", function()
      return reply.ok("second")
    end)
    assert.equal(200, answer.status)
    assert.is_nil(answer.headers["Idempotent-Replayed"])
    resume:notify()
    ended:wait(5000)
    assert.equal(answer.body, late.body)
    assert.equal(0, changes("hung"))
  end)

  it("commits nothing of one that was taken over, and gives it the other's answer", function()
    local user = uuid.v7()
    local slow = request({ user = user })
    local answer = idempotency.run(slow, "k", function()
      change(slow, "slow")
      query("UPDATE idempotency_keys SET locked_until = NOW(3) - INTERVAL 1 SECOND")
      local fast = request({ user = user })
      idempotency.run(fast, "k", function()
        change(fast, "fast")
        return reply.ok("fast")
      end)
      return reply.ok("slow")
    end)
    assert.equal("fast", json.decode(answer.body).data)
    assert.equal("true", answer.headers["Idempotent-Replayed"])
    assert.equal(0, changes("slow"))
    assert.equal(1, changes("fast"))
  end)

  it("runs again after a day", function()
    local user = uuid.v7()
    local function run(text)
      return json.decode(idempotency.run(request({ user = user, body = text }), "k", function()
        return reply.ok(text)
      end).body).data
    end
    assert.equal("one", run("one"))
    query("UPDATE idempotency_keys SET expires_at = NOW(3) - INTERVAL 1 SECOND")
    assert.equal("two", run("two"))
    assert.equal("two", run("two"))
    assert.equal(0, idempotency.purge(ctx))
    query("UPDATE idempotency_keys SET expires_at = NOW(3) - INTERVAL 1 SECOND")
    assert.equal(1, idempotency.purge(ctx))
  end)

  it("reads the header of POSTs only, and checks it", function()
    local function key(text, route)
      local inner = request()
      inner.req.headers["idempotency-key"] = text
      return idempotency.key(inner, route or { method = "POST" })
    end
    assert.is_nil(key(nil))
    assert.equal("a-B_9", key("a-B_9"))
    assert.equal(255, #key(("x"):rep(255)))
    assert.is_nil(key("k", { method = "PUT" }))
    assert.is_nil(key("", { method = "POST", secret = true }))
    for _, wrong in ipairs({ "", ("x"):rep(256), "with space", "\195\169", "tab\t" }) do
      local _, err = pcall(key, wrong)
      assert.is_true(errors.is(err, "VALIDATION_ERROR"), wrong)
    end
  end)
end)

describe("a unit of core.db", function()
  before_each(function()
    query("DELETE FROM leases WHERE holder = 'spec'")
  end)

  it("commits all its transactions at the end, and shows them to its own statements", function()
    local inner = context.system({ name = "spec" })
    local heard = 0
    db.open_unit(inner)
    change(inner, "one")
    change(inner:with({ note = "derived" }), "two")
    db.after_commit(inner, function()
      heard = heard + 1
    end)
    assert.equal(2, #db.platform(inner):query("SELECT name FROM leases WHERE holder = 'spec'"))
    assert.equal(0, changes("one"))
    assert.equal(0, heard)
    assert.equal("done", db.close_unit(inner, function()
      return "done"
    end))
    assert.equal(1, heard)
    assert.equal(2, changes("one") + changes("two"))
    change(inner, "three") -- a transaction like any other again
    assert.equal(1, changes("three"))
  end)

  it("undoes a part that fails alone, with what it wanted to do after the commit", function()
    local inner = context.system({ name = "spec" })
    local heard = {}
    local function part(name, fails)
      return pcall(db.transaction, inner, function(tx)
        change(tx, name)
        db.after_commit(tx, function()
          heard[#heard + 1] = name
        end)
        if fails then
          error("fails")
        end
      end)
    end
    db.open_unit(inner)
    assert.is_false(part("first", true))
    assert.is_true(part("second"))
    assert.is_false(part("third", true))
    assert.is_true(part("fourth"))
    db.close_unit(inner, function()
      return true
    end)
    assert.same({ "second", "fourth" }, heard)
    assert.equal(0, changes("first") + changes("third"))
    assert.equal(2, changes("second") + changes("fourth"))
  end)

  it("is undone when its last part says so, raises, or it is abandoned", function()
    for _, finish in ipairs({
      function(inner) db.close_unit(inner, function() return false end) end,
      function(inner) pcall(db.close_unit, inner, function() error("no") end) end,
      db.abandon_unit,
    }) do
      local inner = context.system({ name = "spec" })
      db.open_unit(inner)
      change(inner, "undone")
      finish(inner)
      db.abandon_unit(inner)
      assert.equal(0, changes("undone"))
    end
    assert.equal(0, db.stats().open - db.stats().idle)
  end)

  it("fails as a whole when the database rolled it back in a part", function()
    local inner = context.system({ name = "spec" })
    change(inner, "a")
    change(inner, "b")
    db.open_unit(inner)
    change(inner, "lost")
    -- Two that lock in opposite order: the one that did less is rolled back.
    local other_ready, mine_ready, ended = task.signal(), task.signal(), task.signal()
    task.spawn(function()
      pcall(db.transaction, ctx, function(tx)
        for i = 1, 50 do
          change(tx, "weight " .. i)
        end
        db.platform(tx):exec("UPDATE leases SET fencing_token = 2 WHERE name = 'a'")
        other_ready:notify()
        mine_ready:wait(5000)
        db.platform(tx):exec("UPDATE leases SET fencing_token = 2 WHERE name = 'b'")
      end)
      ended:notify()
    end)
    local ok = pcall(db.transaction, inner, function(tx)
      db.platform(tx):exec("UPDATE leases SET fencing_token = 3 WHERE name = 'b'")
      other_ready:wait(5000)
      mine_ready:notify()
      task.sleep(50)
      db.platform(tx):exec("UPDATE leases SET fencing_token = 3 WHERE name = 'a'")
    end)
    ended:wait(5000)
    assert.is_false(ok)
    assert.is_false((pcall(change, inner, "after")))
    local closed, err = pcall(db.close_unit, inner, function(tx)
      db.platform(tx):exec("UPDATE leases SET fencing_token = 4 WHERE name = 'a'")
      return true
    end)
    assert.is_false(closed)
    assert.equal("SERVICE_UNAVAILABLE", err.code)
    assert.equal(0, changes("lost") + changes("after"))
    assert.equal(2, query("SELECT fencing_token AS token FROM leases WHERE name = 'a'")[1].token)
  end)
end)
