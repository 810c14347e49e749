--- A MariaDB and a Redis that belong to the test, so that it may kill them, hang them and start
-- them again while a server uses them. What MariaDB has acknowledged survives its kill -9.
local processes = require("tests.support.process")
local small_disk = require("tests.support.small_disk")

local M = {}

local END_S = 30

local MARIADB = "mariadbd --no-defaults --datadir=%s/mysql --socket=%s/run/mariadb.sock "
  .. "--tmpdir=%s/mysql --pid-file=%s/run/mariadb.pid --log-error=%s/log/mariadb.log "
  .. "--skip-networking --character-set-server=utf8mb4 --max-connections=500 "
  .. "--innodb-log-file-size=16M --innodb-autoextend-increment=4 " -- as the template was made
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
-- @param options env = assignments to the environment of MariaDB, or "", disk_mb = room on a file
--   system of its own for it, or nil
function M.start(shell, data, options)
  local mariadb, disk = MARIADB:gsub("%%s", data), nil
  if options.disk_mb then
    assert(shell(("mv %s/mysql %s/mysql.seed"):format(data, data)) == 0)
    disk = small_disk.new(shell, data .. "/mysql", data .. "/mysql.seed", options.disk_mb)
    mariadb = disk:wrap(mariadb)
  end
  local self = setmetatable({
    mariadb = dependency(shell, "mariadb", options.env .. " setsid " .. mariadb, data,
      "mariadb-admin --no-defaults -uroot -S %s/run/mariadb.sock ping >/dev/null 2>&1"),
    redis = dependency(shell, "redis", "setsid " .. REDIS, data,
      "redis-cli -s %s/run/redis.sock ping >/dev/null 2>&1"),
  }, Dependencies)
  for _, one in ipairs({ self.mariadb, self.redis }) do
    one:start()
    one:await()
  end
  if disk then
    disk:mounted(self.mariadb.pid)
    self.mariadb.disk = disk
  end
  return self
end

return M
