-- The queue on a real database: order, uniqueness, failures, and workers that die.
local context = require("core.context")
local db = require("core.db")
local registry = require("core.registry")
local task = require("core.task")
local trace = require("core.trace")
local jobs = require("services.jobs")
local runner = require("services.jobs.runner")
local store = require("services.jobs.store")

local system = context.system({ name = "test" })

local function enqueue(name, payload, options)
  return db.transaction(system, function(tx)
    return jobs.enqueue(tx, name, payload, options)
  end)
end

local function wait_for(id, state)
  local job
  for _ = 1, 100 do
    job = jobs.find(system, id)
    if job.state == state then
      return job
    end
    task.sleep(30)
  end
  error(("job is %s, not %s: %s"):format(job.state, state, tostring(job.last_error)))
end

describe("the queue", function()
  local running

  before_each(function()
    db.platform(system):exec("DELETE FROM jobs")
  end)

  after_each(function()
    if running then
      running:stop(1000)
      running = nil
    end
    for name in pairs(registry.jobs) do
      if name:find("^t%.") then
        registry.jobs[name] = nil
      end
    end
  end)

  local function handle(name, fn, options)
    local handler = options or {}
    handler.run = fn
    registry.jobs[name] = handler
  end

  it("runs a job and keeps its result; the urgent one goes first", function()
    local order = {}
    handle("t.note", function(_, payload)
      order[#order + 1] = payload.n
      return { n = payload.n }
    end)
    local late = enqueue("t.note", { n = 1 })
    local urgent = enqueue("t.note", { n = 2 }, { priority = 0 })
    running = runner.start()
    wait_for(urgent, "done")
    assert.equal('{"n":1}', wait_for(late, "done").result)
    assert.same({ 2, 1 }, order)
  end)

  it("lets one job with a unique key wait at a time", function()
    local first, new = enqueue("t.once", {}, { unique = "k" })
    assert.is_true(new)
    local second, again = enqueue("t.once", {}, { unique = "k" })
    assert.is_false(again)
    assert.equal(first, second)
    handle("t.once", function() end)
    running = runner.start()
    wait_for(first, "done")
    assert.is_true(select(2, enqueue("t.once", {}, { unique = "k" })))
  end)

  it("keeps the jobs of a family of queues to their share, and no queue from the others", function()
    registry.queues.slow = { max = 3, each = 2 }
    finally(function()
      registry.queues.slow = nil
    end)
    local gate, open = task.signal(), false
    local now, most, started = {}, {}, {}
    handle("t.slow", function(_, payload)
      for _, name in ipairs({ payload.queue, "all" }) do
        now[name] = (now[name] or 0) + 1
        most[name] = math.max(most[name] or 0, now[name])
      end
      started[#started + 1] = payload.queue
      while not open do
        gate:wait(5000)
      end
      now[payload.queue], now.all = now[payload.queue] - 1, now.all - 1
    end)
    local ids = {}
    for i, queue in ipairs({ "slow.a", "slow.a", "slow.a", "slow.a", "slow.b", "slow.b" }) do
      ids[i] = enqueue("t.slow", { queue = queue }, { queue = queue })
    end
    handle("t.quick", function() end)
    running = runner.start()
    wait_for(enqueue("t.quick", {}), "done")
    assert.equal(3, #started)
    open = true
    gate:notify()
    for _, id in ipairs(ids) do
      wait_for(id, "done")
    end
    assert.equal(3, most.all)
    assert.is_true(most["slow.a"] <= 2 and most["slow.b"] <= 2)
  end)

  it("runs a job as a part of the trace that it was put into the queue by", function()
    local heard
    handle("t.traced", function(ctx)
      heard = ctx.trace
    end)
    local ctx = context.system({ name = "test", trace = trace.read(nil) })
    local id = db.transaction(ctx, function(tx)
      return (jobs.enqueue(tx, "t.traced", {}))
    end)
    running = runner.start()
    wait_for(id, "done")
    assert.equal(ctx.trace_id, heard.id)
    assert.equal(ctx.trace.span, heard.parent)
    assert.is_nil(heard.span) -- one of its own, once it sets something off
  end)

  it("does not run a job whose transaction was rolled back", function()
    pcall(db.transaction, system, function(tx)
      jobs.enqueue(tx, "t.never", {})
      error("no", 0)
    end)
    assert.equal(0, jobs.counts(system).waiting)
  end)

  it("tries again after a failure, and buries what fails for good", function()
    local tries = 0
    handle("t.fail", function()
      tries = tries + 1
      error("broken")
    end, { max_attempts = 3, backoff_ms = { 10 } })
    local id = enqueue("t.fail", {})
    running = runner.start()
    local job = wait_for(id, "dead")
    assert.equal(3, tries)
    assert.equal(3, job.attempts)
    assert.matches("broken", job.last_error)
  end)

  it("ends a job that takes too long", function()
    handle("t.slow", function()
      local ok, err = task.sleep(10000)
      if not ok then
        error(err.code)
      end
    end, { timeout_ms = 100, max_attempts = 1 })
    local id = enqueue("t.slow", {})
    running = runner.start()
    assert.matches("TIMEOUT", wait_for(id, "dead").last_error)
  end)

  it("gives back a job that it does not know, without counting the attempt", function()
    local id = enqueue("t.unknown", {})
    running = runner.start()
    task.sleep(300)
    local job = jobs.find(system, id)
    assert.equal("waiting", job.state)
    assert.equal(0, job.attempts)
  end)

  it("takes over what a dead worker left, and ignores it when it wakes up", function()
    local id = enqueue("t.orphan", {})
    store.start(system, id, "dead worker", 60)
    db.platform(system):exec("UPDATE jobs SET locked_until = NOW(3) - INTERVAL 1 SECOND")
    handle("t.orphan", function() end)
    running = runner.start()
    assert.equal(2, wait_for(id, "done").attempts)
    store.retry(system, { id = id, holder = "dead worker", attempts = 1 }, "late", 0)
    assert.equal("done", jobs.find(system, id).state)
  end)

  it("shares the work between workers without doing any of it twice", function()
    local done = {}
    handle("t.shared", function(_, payload)
      done[payload.n] = (done[payload.n] or 0) + 1
      task.sleep(5)
    end)
    local last
    for i = 1, 60 do
      last = enqueue("t.shared", { n = i })
    end
    running = runner.start()
    local second = runner.start()
    finally(function()
      second:stop(1000)
    end)
    wait_for(last, "done")
    task.sleep(300)
    assert.equal(60, jobs.counts(system).done)
    for i = 1, 60 do
      assert.equal(1, done[i])
    end
  end)

  it("takes over a job whose lock would last longer than any: the clock was set back", function()
    local id = enqueue("t.unknown")
    db.platform(system):exec([[UPDATE jobs SET state = 'running', attempts = 1, locked_by = 'gone',
      locked_until = NOW(3) + INTERVAL 110 SECOND]])
    assert.equal(0, store.recover(system, 8, 60))
    db.platform(system):exec("UPDATE jobs SET locked_until = NOW(3) + INTERVAL 1 HOUR")
    assert.equal(1, store.recover(system, 8, 60))
    assert.equal("waiting", jobs.find(system, id).state)
  end)

  it("waits longer after each failure", function()
    for attempt, base in ipairs({ 2000, 4000, 8000 }) do
      local ms = runner.backoff_ms(attempt)
      assert.truthy(ms >= base * 0.75 and ms <= base * 1.25)
    end
    assert.truthy(runner.backoff_ms(50) <= 3600000 * 1.25)
  end)

  it("gives back what has not ended when it is stopped, uncounted, after it was cut", function()
    local begun, cut, stopping = 0, nil, false
    handle("t.slow", function()
      begun = begun + 1
      local _, err = task.sleep(20000)
      cut = err and err.code
    end)
    handle("t.short", function()
      while not stopping do
        task.sleep(10)
      end
      task.sleep(100)
    end)
    local slow, short = enqueue("t.slow"), enqueue("t.short")
    local first = runner.start()
    wait_for(slow, "running")
    wait_for(short, "running")
    stopping = true
    first:stop(600)
    assert.equal("running", jobs.find(system, slow).state)
    local job = wait_for(slow, "waiting")
    assert.equal("CANCELLED", cut)
    assert.equal(0, job.attempts)
    assert.is_nil(job.last_error)
    assert.equal("done", wait_for(short, "done").state)
    running = runner.start()
    assert.equal(1, wait_for(slow, "running").attempts)
    assert.equal(2, begun)
  end)
end)

describe("a schedule", function()
  it("is due once per period", function()
    store.put_schedule(system,
      { name = "t.tick", job = "t.tick", payload = "{}", every_ms = 60000 })
    local function due()
      return db.transaction(system, function(tx)
        local names = {}
        for _, row in ipairs(store.lock_due_schedules(tx)) do
          if row.name == "t.tick" then
            names[#names + 1] = row.name
            store.advance_schedule(tx, row.name)
          end
        end
        return #names
      end)
    end
    assert.equal(0, due())
    db.platform(system):exec(
      "UPDATE schedules SET next_run_at = NOW(3) - INTERVAL 1 DAY WHERE name = 't.tick'")
    assert.equal(1, due())
    -- the clock was set back: its time seems hours away
    db.platform(system):exec(
      "UPDATE schedules SET next_run_at = NOW(3) + INTERVAL 3 HOUR WHERE name = 't.tick'")
    assert.equal(1, due())
    assert.equal(0, due())
    local left = db.platform(system):one("SELECT TIMESTAMPDIFF(SECOND, NOW(3), next_run_at) AS s "
      .. "FROM schedules WHERE name = 't.tick'").s
    assert.truthy(left > 50 and left <= 60, left)
    db.platform(system):exec("DELETE FROM schedules WHERE name = 't.tick'")
  end)
end)
