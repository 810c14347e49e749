--- The world that all servers are measured in: a MariaDB that keeps its commits, a Redis, and the
-- same tenants, people, reports and pictures in a database for each server.
local basexx = require("basexx")
local cjson = require("cjson")
local hmac = require("openssl.hmac")
local processes = require("tests.bench.processes")
local seed = require("tests.bench.seed")

local M = {}

local SECRET = "bench-secret-of-thirty-two-or-more-characters"
local START_S = 60
local DAY_S = 86400

local World = {}
World.__index = World

local function start_database(world)
  local data = world.data
  processes.shell(("mariadb-install-db --no-defaults --datadir=%s/mysql --user=$(id -un)"
    .. " --auth-root-authentication-method=normal --skip-test-db --force >%s/install.log 2>&1")
    :format(data, data))
  world.mariadb = processes.spawn({
    "mariadbd", "--no-defaults", "--datadir=" .. data .. "/mysql",
    "--socket=" .. world.db_socket, "--tmpdir=" .. data .. "/mysql",
    "--pid-file=" .. data .. "/mariadb.pid", "--skip-networking",
    "--user=" .. processes.shell("id -un"):gsub("%s+$", ""), "--character-set-server=utf8mb4",
    "--max-connections=500", "--max-prepared-stmt-count=100000", "--log-output=TABLE",
    "--innodb-buffer-pool-size=" .. world.options.buffer_pool, "--innodb-log-file-size=1G",
  }, { log = data .. "/mariadb.log" })
  processes.await("MariaDB's start", START_S, function()
    return pcall(processes.shell, "mariadb --no-defaults -uroot -S " .. world.db_socket .. " -e 'DO 1'")
  end)
end

local function start_redis(world)
  world.redis = processes.spawn({
    "redis-server", "--port", "0", "--unixsocket", world.redis_socket, "--save", "",
    "--appendonly", "no", "--dir", world.data, "--daemonize", "no",
  }, { log = world.data .. "/redis.log" })
  processes.await("Redis's start", START_S, function()
    return pcall(processes.shell, "redis-cli -s " .. world.redis_socket .. " ping")
  end)
end

--- Runs SQL. @return rows as text, columns separated by tabs
function World:sql(database, statements)
  local path = self.data .. "/statements.sql"
  processes.write(path, statements)
  return processes.shell(("mariadb --no-defaults -uroot -S %s -N -B %s <%s")
    :format(self.db_socket, database, path))
end

--- The settings of a Fixxit that serves in this world.
function World:environment(port, database)
  return {
    FIXXIT_ENV = "production", FIXXIT_DATA = self.data .. "/" .. database, PORT = port,
    FIXXIT_HTTP_ADDRESS = "127.0.0.1", FIXXIT_SERVER_WORKERS = 2, JWT_SECRET = SECRET,
    FIXXIT_DB_SOCKET = self.db_socket, FIXXIT_DB_USER = "root", FIXXIT_DB_NAME = database,
    FIXXIT_REDIS_SOCKET = self.redis_socket, FIXXIT_LIMITS_SCALE = 10,
  }
end

--- The same for a rival.
function World:rival_environment(port, database)
  local cache = self.data .. "/cache-" .. database
  processes.shell("mkdir -p " .. cache)
  return {
    NODE_ENV = "production", PORT = port, JWT_SECRET = SECRET, DB_SOCKET = self.db_socket,
    DB_NAME = database, REDIS_SOCKET = self.redis_socket, FILES = self.data .. "/fixxit/files",
    CACHE = cache, NODE_PATH = self.options.modules,
  }
end

--- Runs a command of Fixxit's in this world.
-- @param changes to its settings, or nil
function World:command(words, port, database, changes)
  local settings = {}
  for _, environment in ipairs({ self:environment(port, database), changes or {} }) do
    for name, value in pairs(environment) do
      settings[#settings + 1] = ("%s='%s'"):format(name, tostring(value))
    end
  end
  return processes.shell(("env %s %s %s"):format(table.concat(settings, " "), self.options.bin, words))
end

local function url64(text)
  return (basexx.to_url64(text))
end

local function mac(text)
  return hmac.new(SECRET, "sha256"):final(text)
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

-- An access token as services/identity makes it (tokens.lua, keys.lua), for a session of the seed.
local function sign(person)
  local now = os.time()
  local kid = "hs-" .. hex(mac("kid"):sub(1, 4))
  local signed = url64(cjson.encode({ alg = "HS256", typ = "JWT", kid = kid })) .. "."
    .. url64(cjson.encode({
      iss = "fixxit", aud = "fixxit", sub = person.user_id, tid = person.tenant_id,
      sid = person.session_id, role = "dispatcher", jti = person.session_id, iat = now,
      exp = now + DAY_S,
    }))
  return signed .. "." .. url64(mac(signed))
end

local function make_picture(world)
  local picture = world.data .. "/picture.jpg"
  processes.shell(("vips gaussnoise %s.v 1000 750 && vips resize %s.v '%s[Q=88]' 4 && rm %s.v")
    :format(picture, picture, picture, picture))
  processes.shell(("mkdir -p %s/fixxit/files/be && mv %s %s/fixxit/files/be/nch")
    :format(world.data, picture, world.data))
  return { path = "be/nch", bytes = #processes.read(world.data .. "/fixxit/files/be/nch") }
end

-- The rows of so many reports and tenants; the same for all databases that want as many.
local function seed_of(world, wanted)
  local key = wanted.reports .. "x" .. wanted.tenants
  local made = world.made[key]
  if not made then
    local folder = world.data .. "/" .. key
    processes.shell("mkdir -p " .. folder)
    made = seed.make({ name = key, folder = folder, reports = wanted.reports,
      tenants = wanted.tenants, picture = world.picture })
    for _, person in ipairs(made.people) do
      person.token = sign(person)
    end
    world.made[key] = made
  end
  return made
end

local function make_database(world, wanted)
  local made = seed_of(world, wanted)
  world.options.progress(("seeding %s: %d reports of %d tenants"):format(wanted.name,
    wanted.reports, wanted.tenants))
  world:sql("", "CREATE DATABASE `" .. wanted.name .. "` CHARACTER SET utf8mb4")
  world:command("migrate up", 0, wanted.name)
  world:sql(wanted.name, made.sql)
  world.seeds[wanted.name] = made
end

--- Makes the world.
-- @param options bin, tools, modules, databases (array of {name, reports, tenants}), buffer_pool,
--   progress(text)
-- @return world with .seeds: by database what seed.make returned, people also with a token
function M.new(options)
  local data = os.getenv("BENCH_DATA") or processes.shell("mktemp -d"):gsub("%s+$", "")
  local world = setmetatable({ options = options, data = data, seeds = {}, made = {},
    db_socket = data .. "/mariadb.sock", redis_socket = data .. "/redis.sock" }, World)
  local ok, problem = pcall(function()
    start_database(world)
    start_redis(world)
    world.picture = make_picture(world)
    for _, wanted in ipairs(options.databases) do
      make_database(world, wanted)
    end
  end)
  if not ok then
    world:close()
    error(problem, 0)
  end
  return world
end

function World:close()
  for _, pid in ipairs({ self.redis or false, self.mariadb or false }) do
    if pid then
      processes.stop(pid)
    end
  end
  processes.shell("rm -rf " .. self.data)
end

return M
