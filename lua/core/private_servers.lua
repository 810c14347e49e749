-- A MariaDB and a Redis of one's own on Unix sockets in the data folder: for `fixxit dev` and the
-- tests. They die with this process, whatever ends it, so nothing is ever left to clean up.

local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local host_process = require("host.process")
local redis = require("core.redis")
local sys = require("core.sys")
local time = require("core.time")

local M = {}

local START_MS, STOP_MS, STEP_MS = 60000, 60000, 20
local FOLDERS = { "run", "log", "tmp", "redis" }

local Servers = {}
Servers.__index = Servers

-- MariaDB refuses to run as root unless told to.
local function with_user(argv)
  if sys.user_id() == 0 then
    argv[#argv + 1] = "--user=root"
  end
  return argv
end

local function spawn(argv, log)
  local process, err = host_process.spawn({
    argv = argv, stdout = log, stderr = log, new_group = true,
  })
  if not process then
    error(("cannot run %s: %s"):format(argv[1], tostring(err)), 0)
  end
  return process
end

-- In a folder of its own until it is complete: an interrupted one is not mistaken for a database.
local function install(data)
  local final, fresh = data .. "/mysql", data .. "/mysql.new"
  local log = data .. "/log/mariadb-install.log"
  if fs.stat(final) then
    return
  end
  local temporary = data .. "/mysql.tmp"
  spawn({ "rm", "-rf", fresh }, "null"):wait()
  errors.check(fs.mkdir(temporary))
  local code = spawn(with_user({
    "mariadb-install-db", "--no-defaults", "--datadir=" .. fresh,
    "--tmpdir=" .. temporary, -- in /tmp, servers would remove each other's tables
    "--auth-root-authentication-method=normal", "--skip-test-db",
    "--force", -- also where a container does not know its own name
  }), log):wait()
  if code ~= 0 then
    error("mariadb-install-db failed: see " .. log, 0)
  end
  spawn({ "rm", "-rf", temporary }, "null"):wait()
  errors.check(fs.rename(fresh, final))
end

local function mariadb_argv(data, options)
  local settings = config.get().db
  local init = data .. "/run/init.sql"
  errors.check(fs.write(init, ("CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4;\n")
    :format(settings.name)))
  local argv = {
    "mariadbd", "--no-defaults", "--datadir=" .. data .. "/mysql", "--socket=" .. settings.socket,
    "--tmpdir=" .. data .. "/mysql",
    "--pid-file=" .. data .. "/run/mariadb.pid", "--log-error=" .. data .. "/log/mariadb.log",
    "--skip-networking", "--init-file=" .. init, "--character-set-server=utf8mb4",
    "--max-connections=500", "--max-prepared-stmt-count=100000",
  }
  if not options.durable then
    argv[#argv + 1] = "--innodb-flush-method=nosync"
    argv[#argv + 1] = "--innodb-flush-log-at-trx-commit=0"
    argv[#argv + 1] = "--innodb-log-file-size=16M" -- as small as the data is: it is copied often
    argv[#argv + 1] = "--innodb-autoextend-increment=4"
  end
  return with_user(argv)
end

local function redis_argv(data)
  return {
    "redis-server", "--port", "0", "--unixsocket", config.get().redis.socket,
    "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir", data .. "/redis",
    "--logfile", data .. "/log/redis.log", "--daemonize", "no",
  }
end

-- Until `answers` returns true, or the process ends.
local function wait_until(server, answers, is_stopping)
  local deadline = time.monotonic_ms() + START_MS
  while not answers() do
    if is_stopping and is_stopping() then
      return
    end
    local code = server.process:wait(STEP_MS)
    if code or time.monotonic_ms() > deadline then
      error(("%s did not start: see %s"):format(server.name, server.log), 0)
    end
  end
end

-- Nobody is asked before there is a socket: the log would tell of a server that is down.
local function database_answers()
  return fs.stat(config.get().db.socket) ~= nil and db.ping() ~= nil
end

local function redis_answers()
  return fs.stat(config.get().redis.socket) ~= nil and redis.call("PING") == "PONG"
end

function Servers:add(name, argv, log)
  local server = { name = name, process = spawn(argv, log), log = log }
  self.list[#self.list + 1] = server
  return server
end

--- Stops them, the last one started first.
function Servers:stop()
  for i = #self.list, 1, -1 do
    local process = self.list[i].process
    process:kill("TERM")
    if not process:wait(STOP_MS) then
      process:kill("KILL")
      process:wait()
    end
  end
  self.list = {}
end

--- Starts both and waits until they answer. Raises with the log to read when one does not.
-- @param options { durable = keep data safe from a power cut, progress = function(text),
--   is_stopping = function() -> whether to give up waiting }
-- @return servers with .list of {name, process, log}, :stop()
function M.start(options)
  local settings = config.get()
  local data = settings.server.data
  if database_answers() then
    error("the data folder " .. data .. " is in use by another fixxit", 0)
  end
  for _, name in ipairs(FOLDERS) do
    errors.check(fs.mkdir(data .. "/" .. name))
  end
  fs.unlink(settings.db.socket) -- left by one that was killed
  fs.unlink(settings.redis.socket)
  local servers = setmetatable({ list = {} }, Servers)
  local ok, err = xpcall(function()
    if not fs.stat(data .. "/mysql") and options.progress then
      options.progress("creating a database in " .. data)
    end
    install(data)
    local cache = servers:add("redis", redis_argv(data), data .. "/log/redis.log")
    local database = servers:add("mariadb", mariadb_argv(data, options), data .. "/log/mariadb.log")
    wait_until(database, database_answers, options.is_stopping)
    wait_until(cache, redis_answers, options.is_stopping)
  end, errors.capture)
  if not ok then
    servers:stop()
    error(err.cause or tostring(err), 0)
  end
  return servers
end

return M
