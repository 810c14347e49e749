--- Starts a whole Fixxit (its own MariaDB, Redis, processes) for a test and ends it again.
--
-- Starting from nothing takes some seconds, most of them MariaDB's installation and the seed. So
-- the first start makes a template data folder, and every server gets a copy of it.
local cqueues = require("cqueues")
local client = require("tests.support.client")
local patience = require("tests.support.patience")
local dependencies = require("tests.support.dependencies")
local processes = require("tests.support.process")
local small_disk = require("tests.support.small_disk")

local M = {}

local READY_TIMEOUT_S, STOP_TIMEOUT_S = 60 * patience, 15 * patience
local BIN = os.getenv("TEST_BIN") or "build/fixxit"
M.BIN = BIN
local next_port = 20000 + tonumber(os.getenv("TEST_PORT") or 0)

local function read_file(path)
  local file = io.open(path)
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end
M.read_file = read_file

--- Waits; other coroutines of a loop go on meanwhile.
local function sleep(seconds)
  if cqueues.running() then
    cqueues.sleep(seconds)
  else
    os.execute("sleep " .. seconds)
  end
end
M.sleep = sleep

local POLL_S = 0.01

-- What the command prints and then its exit code.
local function output_of(command)
  local line = "{ " .. command .. "; } 2>&1; echo \" $?\""
  if not cqueues.running() then
    local pipe = assert(io.popen(line))
    local output = pipe:read("*a")
    pipe:close()
    return output
  end
  local path = os.tmpname()
  local done = path .. ".done"
  os.execute(("{ { %s; } >%s; mv %s %s; } </dev/null >/dev/null 2>&1 &"):format(line, path, path, done))
  local output
  repeat
    sleep(POLL_S)
    output = read_file(done)
  until output
  os.remove(done)
  return output
end

--- Runs a command; in a loop, other coroutines go on meanwhile: clients that stand still would look
-- like a server that does.
-- @return exit code, what it printed
local function shell(command)
  local text, code = output_of(command):match("^(.*) (%d+)\n$")
  return tonumber(code), text
end
M.shell = shell

--- A port that nobody listens on now.
local function free_port()
  for _ = 1, 200 do
    next_port = next_port + 1
    if shell("ss -Hltn 'sport = :" .. next_port .. "' | grep -q .") ~= 0 then
      return next_port
    end
  end
  error("no free port")
end

local Server = {}
Server.__index = Server

local function assignments(env, data)
  local words = {}
  for name, value in pairs(env) do
    words[#words + 1] = ("%s='%s'"):format(name, (tostring(value):gsub("{data}", data)))
  end
  return table.concat(words, " ")
end

local function launch(data, port, env, command)
  local settings = { FIXXIT_ENV = "test", FIXXIT_DATA = data, PORT = port }
  for name, value in pairs(env or {}) do
    settings[name] = value
  end
  local log = data .. ".log"
  local _, pid = shell(("%s setsid %s >%s 2>&1 & echo $!"):format(
    assignments(settings, data), command, log))
  return { pid = tonumber(pid), data = data, port = port, log = log, env = env }
end

local function new_client(server)
  return client.new(server.port, server.env and server.env.FIXXIT_HTTP_TLS_CERTIFICATE ~= nil)
end

local function wait_ready(server)
  local api = new_client(server)
  for _ = 1, READY_TIMEOUT_S * 10 do
    local ok, answer = pcall(api.get, api, "/ready", { root = true })
    if ok and answer.status == 200 then
      return
    end
    if not processes.lives(server.pid) then
      break
    end
    sleep(0.1)
  end
  error("the server did not become ready:\n" .. (read_file(server.log) or ""):sub(-3000), 3)
end

local function stop(server)
  shell("kill -TERM " .. server.pid)
  if processes.await_end(server.pid, STOP_TIMEOUT_S) then
    return true
  end
  shell("kill -s KILL -- -" .. server.pid)
  return false
end

-- Until the relay has numbered what the seed reported: each copy would announce it anew.
local function await_relay(data)
  for _ = 1, READY_TIMEOUT_S * 10 do
    local code, left = shell(("mariadb --no-defaults -uroot -S %s/run/mariadb.sock -N -B fixxit -e "
      .. "'SELECT COUNT(*) FROM outbox'"):format(data))
    if code == 0 and tonumber(left) == 0 then
      return
    end
    sleep(0.1)
  end
  error("the seed's events were not numbered")
end
M.await_relay = await_relay

--- The template is made once per binary and kept beside the build.
function M.template()
  local folder = os.getenv("TEST_TEMPLATE")
  if folder and read_file(folder .. "/complete") then
    return folder
  end
  -- made elsewhere: a socket's path is short, the build folder's may not be
  local scratch = os.tmpname()
  shell("rm -f " .. scratch)
  -- Lua's collector at its own pace: migrations and seed are not what is looked at
  local server = launch(scratch, free_port(), { FIXXIT_LUA_COLLECT_ALWAYS = "false" }, BIN .. " dev")
  wait_ready(server)
  await_relay(scratch)
  assert(stop(server), "the template's server did not stop")
  folder = folder or scratch .. ".template"
  local code, output = shell(("mkdir -p %s && cp -a %s/. %s && rm -rf %s %s.log && echo yes > %s/complete"):format(
    folder, scratch, folder, scratch, scratch, folder))
  assert(code == 0, output)
  return folder
end

--- @param options {env = {NAME = text, with "{data}" for its data folder}, bin = path of the binary,
--   data = the folder of one that was stopped with `keep`, apart = MariaDB and Redis are
--   the test's: server.dependencies, with which it may do what it wants, mariadb_env = more of the
--   environment for that MariaDB, mariadb_disk_mb = room on a file system of its own for it:
--   server.dependencies.mariadb.disk, disk_mb = the same for the server's files: server.disk}
-- @return server {port=, data=, log=, api=client}
function M.start(options)
  options = options or {}
  local data = options.data
  if not data then
    local source = M.template()
    data = os.tmpname()
    shell("rm -f " .. data .. "; cp -a " .. source .. " " .. data)
  end
  local own = options.apart and dependencies.start(shell, data, {
    env = assignments(options.mariadb_env or {}, data), disk_mb = options.mariadb_disk_mb })
  local disk = options.disk_mb and small_disk.for_server(shell, data, options.disk_mb)
  local command = (options.bin or BIN) .. (own and " serve" or " dev")
  local server = launch(data, free_port(), options.env, disk and disk:wrap(command) or command)
  server.dependencies, server.disk = own or nil, disk or nil
  local ok, problem = pcall(wait_ready, server)
  if not ok and own then
    own:stop()
  end
  if not ok then
    stop(server) -- what is left of it
    shell("rm -rf " .. data .. " " .. server.log)
  end
  assert(ok, problem)
  if disk then
    disk:mounted(server.pid)
  end
  server.api = new_client(server)
  return setmetatable(server, Server)
end

--- Starts a further node on another server's database and Redis, with a data folder of its own.
-- Stop it before that one.
-- @param options as of M.start
function M.join(first, options)
  local data = os.tmpname()
  shell("rm -f " .. data .. "; mkdir -p " .. data)
  local env = {
    DB_SOCKET = first.data .. "/run/mariadb.sock", REDIS_SOCKET = first.data .. "/run/redis.sock",
  }
  for name, value in pairs(options and options.env or {}) do
    env[name] = value
  end
  local server = launch(data, free_port(), env, (options and options.bin or BIN) .. " serve")
  wait_ready(server)
  server.api = new_client(server)
  return setmetatable(server, Server)
end

--- Ends it; raises when something stays behind. The data folder goes unless `keep`.
function Server:stop(keep)
  local ended = stop(self)
  if self.dependencies then
    self.dependencies:stop()
  end
  local _, left = shell("pgrep -af -- " .. self.data .. " | grep -v pgrep")
  local report = self:log_text():match("[^\n]*Sanitizer[^\n]*") or self:log_text():match("[^\n]*runtime error:[^\n]*")
  if not keep then
    shell("rm -rf " .. self.data .. " " .. self.log)
  end
  assert(ended, "the server did not end")
  assert(left:match("^%s*$"), "left running: " .. left)
  assert(not report, report)
end

function Server:log_text()
  return read_file(self.log) or ""
end

--- Runs SQL against its private database.
-- @return rows as text, one a line, columns separated by tabs
function Server:sql(statement)
  local code, text = shell(("mariadb --no-defaults -uroot -S %s/run/mariadb.sock -N -B fixxit -e \"%s\"")
    :format(self.data, (statement:gsub('[\\"$`]', "\\%0"))))
  assert(code == 0, text)
  return text
end

--- Pids of its processes by role: "http", "job", "image" (from the control socket).
function Server:pids(role)
  local _, text = shell(("FIXXIT_ENV=test FIXXIT_DATA=%s PORT=%d %s status"):format(
    self.data, self.port, BIN))
  local pids = {}
  for kind, pid in text:gmatch("(%a+) %d+[^\n]- pid (%d+)") do
    -- 0 is none: one that is started again soon, or to a signal's sender all of its own group
    if (not role or kind == role) and pid ~= "0" then
      pids[#pids + 1] = tonumber(pid)
    end
  end
  return pids
end

--- The master's pid: a child of `fixxit dev`, which is server.pid. It is told when all processes
-- are up; the first that is may have answered before.
function Server:master()
  for _ = 1, 100 do
    local pid = (read_file(self.data .. "/run/ready") or ""):match("%d+")
    if pid then
      return tonumber(pid)
    end
    sleep(0.05)
  end
  error("the master does not say that it is ready", 2)
end

--- Runs a command of the binary against its data folder. @return exit code, output
function Server:command(words)
  return shell(("FIXXIT_ENV=test FIXXIT_DATA=%s PORT=%d %s %s"):format(self.data, self.port, BIN, words))
end

return M
