--- The servers that are compared, each with a port and a database of its own.
--
-- A contestant: name, label, start(world) -> server {pid, port, ...}, and what it can be asked.
local processes = require("tests.bench.processes")

local M = {}

local READY_S = 60
local HERE = "tests/bench"
local HEALTH = "/api/v1/health"

local function answers(port, path)
  return pcall(processes.shell, ("curl -sf -m 2 -o /dev/null http://127.0.0.1:%d%s"):format(port, path))
end

-- Starts a program and waits until `path` answers.
local function launch(world, contestant, argv, env, path)
  local log = world.data .. "/" .. contestant.name .. ".log"
  local began = processes.now()
  local pid = processes.spawn(argv, { env = env, log = log })
  local ok, problem = pcall(processes.await, "the start of " .. contestant.label, READY_S, function()
    return answers(contestant.port, path) or processes.has_ended(pid) and error("it ended", 0)
  end)
  if not ok then
    error(("%s: %s\n%s"):format(contestant.label, problem, processes.read(log):sub(-2000)), 0)
  end
  return { pid = pid, port = contestant.port, contestant = contestant,
    start_ms = (processes.now() - began) * 1000 }
end

local function start_ours(world, contestant, changes)
  local env = world:environment(contestant.port, contestant.database)
  for name, value in pairs(changes or {}) do
    env[name] = value
  end
  local server = launch(world, contestant, { world.options.bin, "serve" }, env, "/ready")
  server.workers = {}
  local status = world:command("status", contestant.port, contestant.database, changes)
  for pid in status:gmatch("http %d+[^\n]- pid (%d+)") do
    server.workers[#server.workers + 1] = tonumber(pid)
  end
  return server
end

local function start_rival(script)
  return function(world, contestant)
    return launch(world, contestant, { "node", HERE .. "/rivals/cluster.js", script },
      world:rival_environment(contestant.port, contestant.database), HEALTH)
  end
end

-- What it answers is recorded from ours: a whole answer to the scenario's first request.
local function start_fixed(world, contestant, answer)
  local path = world.data .. "/answer"
  processes.write(path, answer)
  return launch(world, contestant, { world.options.tools .. "/fixed", tostring(contestant.port), path }, {}, "/")
end

local SIZES = { { 10000, 10 }, { 1000000, 10 }, { 1000000, 1000 } } -- reports, tenants

local ALL = {
  { name = "ours", label = "Fixxit", database = "fixxit", start = start_ours, is_ours = true,
    ready = '"auth:ok"', socket = "/ws?token=%s" },
  { name = "fastify", label = "Fastify 5", database = "bench_fastify",
    start = start_rival("fastify.js"), ready = '"auth:ok"', socket = "/ws?token=%s" },
  { name = "express", label = "Express 4", database = "bench_express",
    start = start_rival("express.js"), ready = "40{",
    socket = "/socket.io/?EIO=4&transport=websocket&token=%s" },
  { name = "fixed", label = "epoll, fixed bytes", start = start_fixed, is_floor = true },
}

local function numbered(list, base)
  for i, contestant in ipairs(list) do
    contestant.port = base + i
  end
  return list
end

--- Fixxit, its rivals and the floor.
-- @param base the port before the first of theirs
-- @param reports, tenants how many are in each database
function M.rivals(base, reports, tenants)
  for _, contestant in ipairs(ALL) do
    contestant.reports, contestant.tenants = reports, tenants
  end
  return numbered(ALL, base)
end

--- Fixxit on databases of different sizes.
function M.sizes(base)
  local list = {}
  for i, size in ipairs(SIZES) do
    local reports, tenants = unpack(size)
    list[i] = { name = i == 1 and "ours" or "ours" .. i, database = "fixxit" .. i, start = start_ours,
      is_ours = true, reports = reports, tenants = tenants,
      label = ("%d reports of %d tenants"):format(reports, tenants) }
  end
  return numbered(list, base)
end

return M
