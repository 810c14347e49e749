--- What the rules of many tenants take of memory: the growth of all of a server's processes, beside a
-- server that has done the same for tenants without rules.
local api = require("tests.bench.rules.api")
local load = require("tests.bench.load")
local processes = require("tests.bench.processes")
local scenarios = require("tests.bench.scenarios")

local M = {}

local CONNECTIONS = 32
local TIMES = 4 -- that each is asked at least: both workers shall know every tenant
local TURN_S, TURNS_MAX = 5, 12
local SETTLE_S = 12
local MIB = 1048576

-- Five rules, as tenants have them. The paths differ from tenant to tenant, as their names do.
local FILES = {
  ["electrical.lua"] = [[
before("report.create", function(report)
  local location = report.location or {}
  if report.category == "electrical" and not location.latitude and not location.description then
    reject("location.latitude", "electrical hazards need a position")
  end
end)
]],
  ["critical.lua"] = [[
on("report.created", function(event)
  local report = event.report
  if report.severity == "critical" and report.category == "gas" then
    local order = workorders.create{ reportId = report.id, priority = "urgent" }
    notify{ role = "dispatcher", title = "Gas", workOrderId = order.id }
  end
end)
]],
  ["urgent.lua"] = [[
escalate{ of = "workorder", name = "urgent",
  when = function(order) return order.priority == "urgent" end,
  steps = {
    { after = "30m", run = function(order)
      notify{ role = "dispatcher", title = order.number .. " is waiting" }
    end },
    { after = "2h", run = function(order)
      notify{ role = "owner", title = order.number .. " is late", channels = { "sms" } }
    end },
  } }
]],
  ["parts.lua"] = [[
transition{ of = "workorder", from = "in_progress", to = "awaiting_parts",
  guard = function(_, user) return user.role == "technician" end }
transition{ of = "workorder", from = "awaiting_parts", to = "in_progress" }
]],
  ["decide.lua"] = [[
route("GET", "/decide", function(request)
  return json({ path = request.path, open = request.query.open or "no" })
end)
]],
}

-- The first tenant's release for all others, under paths of their own.
local function copy_to_others(run, first)
  local slug = "bench-1"
  run.world:sql(run.database, ([[
    INSERT INTO script_releases (id, tenant_id, number, message, hooks)
      SELECT UUID(), t.id, r.number, r.message, REPLACE(r.hooks, '%s/', CONCAT(t.slug, '/'))
      FROM script_releases r JOIN tenants t ON t.id <> r.tenant_id AND t.slug LIKE 'bench-%%'
      WHERE r.tenant_id = '%s';
    INSERT INTO script_release_files (release_id, tenant_id, path, content)
      SELECT r.id, r.tenant_id, REPLACE(f.path, '%s/', CONCAT(t.slug, '/')), f.content
      FROM script_releases r JOIN tenants t ON t.id = r.tenant_id
      JOIN script_release_files f ON f.tenant_id = '%s' WHERE r.tenant_id <> '%s';
    INSERT INTO script_active (tenant_id, release_id, next_number, version)
      SELECT r.tenant_id, r.id, 2, 1 FROM script_releases r WHERE r.tenant_id <> '%s';]]):format(slug,
    first.tenant_id, slug, first.tenant_id, first.tenant_id, first.tenant_id))
end

local function publish(run)
  local first, files = run.people[1], {}
  for name, text in pairs(FILES) do
    files["bench-1/" .. name] = text
  end
  local server = run.start()
  local ok, problem = pcall(api.publish, run.world, server.port, first, files)
  processes.stop(server.pid)
  if not ok then
    error(problem, 0)
  end
  copy_to_others(run, first)
end

local function write_requests(run)
  local list = {}
  for i, person in ipairs(run.made.people) do
    list[#list + 1] = { path = "/api/v1/x/decide", token = person.token }
    list[#list + 1] = scenarios.post(person, i)
  end
  local path = run.world.data .. "/requests-memory"
  load.write_requests(path, list)
  return path, #list
end

-- Memory of a fresh server that every tenant has asked several times.
local function measure(run, requests, count)
  local server = run.start()
  local ok, problem = pcall(function()
    local sent = 0
    for _ = 1, TURNS_MAX do
      sent = sent + load.http({ port = server.port, requests = requests, first = sent,
        seconds = TURN_S, connections = CONNECTIONS }).requests
      if sent >= TIMES * count then
        break
      end
    end
    run.say("%d of %d requests sent", sent, TIMES * count)
    run.drain()
    processes.sleep(SETTLE_S)
  end)
  local scripts = processes.named(server.pid, "fixxit sandbox")
  local figures = { all = processes.pss(processes.family(server.pid)), processes = #scripts,
    scripts = processes.pss(scripts), workers = processes.pss(server.workers) }
  processes.stop(server.pid)
  return ok and figures or error(problem, 0)
end

function M.run(run)
  run.stop()
  local requests, count = write_requests(run)
  run.world:sql(run.database, "DELETE FROM script_drafts; DELETE FROM script_active; "
    .. "DELETE FROM script_releases;")
  local without = measure(run, requests, count)
  publish(run)
  local with_rules = measure(run, requests, count)
  local function grown(kind)
    return (with_rules[kind] - without[kind]) / MIB
  end
  run.add(("%d tenants with five rules each"):format(#run.made.people),
    ("%.0f MiB (%d processes of scripts %.0f, HTTP workers %.0f)"):format(grown("all"),
      with_rules.processes, grown("scripts"), grown("workers")), "150 MB")
end

return M
