--- A MariaDB and a Redis that belong to the test, so that it may kill them, hang them and start
-- them again while a server uses them. What MariaDB has acknowledged survives its kill -9.
local processes = require("tests.support.process")

local M = {}

local END_S = 30

local MARIADB = "mariadbd --no-defaults --datadir=%s/mysql --socket=%s/run/mariadb.sock "
  .. "--tmpdir=%s/mysql --pid-file=%s/run/mariadb.pid --log-error=%s/log/mariadb.log "
  .. "--skip-networking --character-set-server=utf8mb4 --max-connections=500 "
  .. "--innodb-flush-method=nosync --innodb-flush-log-at-trx-commit=1 $(test $(id -u) = 0 && echo --user=root)"
local REDIS = "redis-server --port 0 --unixsocket %s/run/redis.sock --unixsocketperm 700 --save '' "
  .. "--appendonly no --dir %s/redis --logfile %s/log/redis.log --daemonize no"

local Dependency = {}
Dependency.__index = Dependency

local function dependency(shell, name, command, data, ping)
  return setmetatable({ shell = shell, name = name, command = command:gsub("%%s", data),
    ping = ping:gsub("%%s", data) }, Dependency)
end

function Dependency:start()
  local _, pid = self.shell(("%s >/dev/null 2>&1 & echo $!"):format(self.command))
  self.pid = assert(tonumber(pid), pid)
end

--- Until it answers; blocks.
function Dependency:await()
  local code, output = self.shell(("(for i in $(seq 600); do %s && exit 0; sleep 0.1; done; exit 1)")
    :format(self.ping))
  assert(code == 0, self.name .. " does not answer: " .. tostring(output))
end

function Dependency:signal(name)
  self.shell(("kill -%s %d"):format(name, self.pid))
end

--- Ends it at once and waits until it is gone: its files are free for the next one.
function Dependency:kill()
  self:signal("KILL")
  assert(processes.await_end(self.pid, END_S), self.name .. " does not end")
end

local Dependencies = {}
Dependencies.__index = Dependencies

function Dependencies:stop()
  for _, one in ipairs({ self.mariadb, self.redis }) do
    one:signal("CONT")
    one:kill()
  end
end

--- Starts both on a data folder that holds a database already.
-- @param shell function(command) -> exit code, output
-- @param words assignments to the environment of MariaDB, or ""
function M.start(shell, data, words)
  local self = setmetatable({
    mariadb = dependency(shell, "mariadb", words .. " setsid " .. MARIADB, data,
      "mariadb-admin --no-defaults -uroot -S %s/run/mariadb.sock ping >/dev/null 2>&1"),
    redis = dependency(shell, "redis", "setsid " .. REDIS, data,
      "redis-cli -s %s/run/redis.sock ping >/dev/null 2>&1"),
  }, Dependencies)
  for _, one in ipairs({ self.mariadb, self.redis }) do
    one:start()
    one:await()
  end
  return self
end

return M
