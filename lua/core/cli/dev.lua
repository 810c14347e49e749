-- fixxit dev: everything a developer needs with one command. Ctrl-C ends all of it.

local config = require("core.config")
local errors = require("core.errors")
local fs = require("core.fs")
local host_process = require("host.process")
local migrate = require("core.migrate")
local private_servers = require("core.private_servers")
local seeds = require("core.seeds")
local sys = require("core.sys")
local task = require("core.task")

local M = {
  summary = "Start a private MariaDB and Redis, migrate, seed the demo world and serve.",
}

local STEP_MS = 50

local SIGN_INS = {
  { "Riverton City Council", "riverton", "owner admin dispatcher tech1 tech2 viewer citizen" },
  { "Northgrid Utilities", "northgrid", "owner dispatcher tech1" },
  { "Westbrook University", "campus", "owner dispatcher tech1" },
  { "Carrozzeria Fagioli", "fagioli", "owner staff" },
}

-- One run: `stopping` is set by a signal, `died` names the child that ended by itself.
local function new_run()
  return { event = task.signal(), stopping = false, died = nil }
end

-- A second one changes nothing: it would kill us, and with us a database that is about to end well.
local function watch_signals(run)
  task.spawn(function()
    while sys.on_signal() do
      run.stopping = true
      run.event:notify()
    end
  end)
end

local function watch_child(run, name, process, log)
  task.spawn(function()
    local code = process:wait()
    if code and not run.ending then
      run.died = run.died or { name = name, code = code, log = log }
      run.event:notify()
    end
  end)
end

-- This program with another command and the same flags.
local function spawn_self(command, output)
  local argv = { sys.executable(), command }
  local words = sys.argv()
  for i = 2, #words do
    argv[#argv + 1] = words[i]
  end
  return errors.check(host_process.spawn({
    argv = argv, env = { FIXXIT_ENV = config.get().env }, stdout = output, stderr = output,
    new_group = true,
  }))
end

-- A server that is still there (or still ending) would meet ours in the same folder.
local function refuse_running_server()
  local data = config.get().server.data
  if fs.stat(data .. "/run/control.sock") and spawn_self("status", "null"):wait() == 0 then
    error("the data folder " .. data .. " is in use by another fixxit", 0)
  end
end

local function start_server(run)
  local ready = config.get().server.data .. "/run/ready"
  fs.unlink(ready)
  local process = spawn_self("serve", "inherit")
  run.server = process
  watch_child(run, "the server", process, nil)
  local pid = tostring(process:pid())
  while not run.stopping and not run.died do
    local text = fs.read(ready, 100)
    if text and text:match("%d+") == pid then
      return
    end
    run.event:wait(STEP_MS)
  end
end

local function stop_server(run)
  run.ending = true
  local process = run.server
  if not process or run.died and run.died.name == "the server" then
    return
  end
  process:kill("TERM")
  if not process:wait(config.get().server.grace_ms + 10000) then
    process:kill("KILL")
    process:wait()
  end
end

local PAGES = {
  { "/dashboard", "the dispatcher's page" },
  { "/api-docs", "all calls, to try" },
  { "/dev/mailbox", "the mails, none of which leaves" },
}

local function announce(cx)
  local settings = config.get()
  cx.print("")
  local http = settings.http
  cx.print(("  Fixxit is at http%s://%s:%d"):format(http.tls_certificate ~= "" and "s" or "",
    http.address, http.port))
  for _, page in ipairs(PAGES) do
    cx.print(("    %-22s %s"):format(page[1], page[2]))
  end
  cx.print("  Sign in with Fixxit-demo-2026 as")
  for _, tenant in ipairs(SIGN_INS) do
    cx.print(("    %-22s {%s}@%s.example"):format(tenant[1], tenant[3]:gsub(" ", ", "), tenant[2]))
  end
  cx.print(("    %-22s platform@fixxit.example"):format("all tenants"))
  cx.print("  Ctrl-C ends it.")
  cx.print("")
end

local function explain_death(cx, died)
  cx.print(("fixxit: %s ended by itself (code %d)%s"):format(died.name, died.code,
    died.log and "; see " .. died.log or "; its last lines stand above"))
end

local function prepare(cx, run)
  migrate.up({
    progress = function(migration)
      cx.print(("migrate %s %04d_%s"):format(migration.scope, migration.version, migration.name))
    end,
  })
  if not run.stopping then
    seeds.run(cx.print)
  end
end

local function serve(cx, run)
  start_server(run)
  if not run.stopping and not run.died then
    announce(cx)
  end
  while not run.stopping and not run.died do
    run.event:wait(60000)
  end
end

function M.run(cx)
  if config.get().env == "production" then
    error("dev is not for production: use fixxit serve", 0)
  end
  refuse_running_server()
  local run = new_run()
  watch_signals(run)
  local servers = private_servers.start({
    durable = config.get().env == "development",
    progress = cx.print,
    is_stopping = function()
      return run.stopping
    end,
  })
  for _, server in ipairs(servers.list) do
    watch_child(run, server.name, server.process, server.log)
  end
  local ok, err = xpcall(function()
    if not run.stopping then
      prepare(cx, run)
    end
    if not run.stopping then
      serve(cx, run)
    end
  end, errors.capture)
  if run.died then
    explain_death(cx, run.died)
  end
  stop_server(run)
  servers:stop()
  if not ok and not run.stopping then
    error(err.cause and err.code == "INTERNAL" and not err.host_code and err.cause or err, 0)
  end
  return run.died and 1 or 0
end

return M
