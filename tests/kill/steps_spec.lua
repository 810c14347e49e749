-- kill -9 in the middle of an escalation's step: the process of the rules, or the worker that runs
-- the step, dies when the rule has asked for a change and waits for it. After that the step has
-- happened once: its effects, their audit rows and their events.
--
-- The test holds the row that the rule's nth change needs; so the moment is no matter of luck.
local patience = require("tests.support.patience")
local processes = require("tests.support.process")
local sandboxes = require("tests.support.sandboxes")
local servers = require("tests.support.server")

local WAIT_S = 20 * patience
local LOOK_S = 0.2 -- InnoDB tells of locks as they were, to who asks again within 100 ms

-- The words in a work order's title say what its step does first, and which rows it needs.
local RULE = [[
escalate{ of = "workorder", name = "held",
  when = function(wo) return wo.priority == "urgent" and wo.title:find("^Held ") end,
  steps = { { after = "30m", run = function(wo)
    kv.incr(wo.title .. " first")
    if wo.title:find("calm") then
      workorders.update(wo.id, { priority = "low", description = "late" })
    elseif wo.title:find("cancel") then
      workorders.cancel(wo.id, "late")
    else
      workorders.update(wo.id, { description = wo.description .. " late" })
    end
    kv.incr(wo.title .. " second")
    notify{ role = "owner", title = wo.title, workOrderId = wo.id }
  end } } }
]]

describe("kill -9 in the middle of a step", function()
  local server, owner, tenant

  local function publish(name, content)
    local put = server.api:put("/scripts/draft/rules/" .. name .. ".lua", { token = owner.token,
      json = { content = content } })
    assert.equal(201, put.status, put.body)
    local published = server.api:post("/scripts/publish", { token = owner.token,
      json = { message = name } })
    assert.equal(201, published.status, published.body)
  end

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 1, FIXXIT_SERVER_JOB_WORKERS = 1 } })
    owner = server.api:login("owner@riverton.example")
    tenant = server:sql("SELECT id FROM tenants WHERE slug = 'riverton'"):match("%S+")
    publish("held", RULE)
  end)

  teardown(function()
    server:stop()
  end)

  local function count(sql)
    return tonumber(server:sql("SELECT COUNT(*) FROM " .. sql))
  end

  local function await(what, fn)
    for _ = 1, WAIT_S / LOOK_S do
      local found = fn()
      if found then
        return found
      end
      servers.sleep(LOOK_S)
    end
    error(what .. "\n" .. server:log_text():sub(-3000))
  end

  -- A row of kv that nobody else can have until the function that this returns is called.
  local function hold(key)
    server:sql(("INSERT INTO script_kv (tenant_id, name, value) VALUES ('%s', '%s', '0')"):format(tenant, key))
    local row = ("SELECT value FROM script_kv WHERE tenant_id = '%s' AND name = '%s' FOR UPDATE"):format(tenant, key)
    local client = assert(io.popen(("mariadb --no-defaults -uroot -S %s/run/mariadb.sock fixxit "
      .. ">/dev/null"):format(server.data), "w"))
    client:write("BEGIN; " .. row .. ";\n")
    client:flush()
    await("the row is not held", function()
      return not pcall(server.sql, server, row .. " NOWAIT")
    end)
    local function release()
      client = client and client:close() and nil
    end
    finally(release)
    return release
  end

  local function begin(title)
    local made = server.api:post("/workorders", { token = owner.token, json = { title = title,
      description = "It is", priority = "urgent" } })
    assert.equal(201, made.status, made.body)
    local id = made.json.data.id
    local clock = "sla_clocks WHERE kind = 'script' AND resource_id = '" .. id .. "'"
    await("no clock", function()
      return count(clock) == 1
    end)
    server:sql("UPDATE sla_clocks SET since = since - INTERVAL 1 HOUR, wake_at = NOW(3) WHERE id = "
      .. "(SELECT id FROM " .. clock .. ")")
    return id, clock
  end

  local function effects(id)
    return count("script_effects WHERE cause LIKE CONCAT((SELECT id FROM sla_clocks "
      .. "WHERE resource_id = '" .. id .. "' AND kind = 'script'), '%')")
  end

  local function await_waiting(id, done)
    await("the rule does not wait for its change", function()
      return effects(id) == done
        and count("information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") > 0
    end)
  end

  local VICTIMS = {
    ["the rules' process"] = function()
      return sandboxes.pids(server.pid)
    end,
    ["the worker"] = function()
      return server:pids("job")
    end,
  }

  local function kill(victim)
    local pids = VICTIMS[victim]()
    assert.truthy(#pids > 0, "nobody to kill")
    for _, pid in ipairs(pids) do
      servers.shell("kill -KILL " .. pid)
      assert.is_true(processes.await_end(pid, 5))
    end
  end

  -- What waits for a lease to run out, or for another attempt, is due: the time that this takes is
  -- all that is not real here.
  local function await_step(clock)
    await("the step is not done", function()
      server:sql("UPDATE sla_clocks SET wake_at = NOW(3) WHERE wake_at > NOW(3) AND attempts > 0")
      return count(clock .. " AND mark = 1") == 1
    end)
  end

  local function once(title, id, action)
    local of_order = (" WHERE resource_id = '%s' AND "):format(id)
    assert.equal("1\n1\n", server:sql(("SELECT value FROM script_kv WHERE name LIKE '%s%%'"):format(title)))
    assert.equal(1, count("audit_logs" .. of_order .. "action = 'workorder." .. action
      .. "' AND actor LIKE 'script:rules/held.lua@%'"))
    assert.equal(1, count("work_order_history WHERE work_order_id = '" .. id .. "' AND action = '"
      .. action .. "'"))
    await("its event is not numbered", function()
      return count("outbox") == 0
    end)
    assert.equal(1, count("event_log" .. of_order .. "event = 'workorder.updated'"))
    assert.equal(1, count("notifications WHERE title = '" .. title .. "'"))
    assert.equal(4, effects(id))
  end

  for victim in pairs(VICTIMS) do
    for place, done in pairs({ first = 0, second = 2 }) do
      it(("of %s, at its %s change, lets it happen once"):format(victim, place), function()
        local title = ("Held %s %s"):format(victim:match("%a+$"), place)
        local release = hold(title .. " " .. place)
        local id, clock = begin(title)
        await_waiting(id, done)
        kill(victim)
        release()
        await_step(clock)
        once(title, id, "update")
        assert.equal("It is late\n", server:sql("SELECT description FROM work_orders WHERE id = '" .. id .. "'"))
      end)
    end
    for action, expected in pairs({ calm = "update", cancel = "cancel" }) do
      it(("of %s lets a step end that makes it end by itself (%s)"):format(victim, action), function()
        local title = ("Held %s %s"):format(victim:match("%a+$"), action)
        local release = hold(title .. " second")
        local id, clock = begin(title)
        await_waiting(id, 2)
        kill(victim)
        release()
        await_step(clock)
        once(title, id, expected)
      end)
    end
  end

  it("ends a step by the release that began it", function()
    local title = "Held released"
    local release = hold(title .. " second")
    local id, clock = begin(title)
    await_waiting(id, 2)
    kill("the worker")
    local gone = server.api:request("DELETE", "/scripts/draft/rules/held.lua", { token = owner.token })
    assert.equal(200, gone.status, gone.body)
    publish("moved", (RULE:gsub("first", "initially"):gsub("title = wo.title", 'title = "Other"')))
    release()
    await_step(clock)
    once(title, id, "update")
  end)
end)
