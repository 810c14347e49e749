-- Migrations: migrations/NNNN_name.sql of the platform, then those of services' and plugins'
-- folders in load order. A file has `-- up` and `-- down` with one statement each, since MariaDB
-- commits at every DDL statement; `up` must be harmless to run twice.
--
-- What was applied is in schema_migrations with a checksum of the file: an applied file that
-- changed is refused. A named lock keeps two nodes from migrating at once.

local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local host = require("host.db")
local plugin = require("core.plugin")
local sys = require("core.sys")

local M = {}

local FILE_MAX = 1048576
local LOCK = "fixxit_migrations"
local LOCK_WAIT_S = 5 -- per attempt: under any statement time-out
local LOCK_ATTEMPTS = 24
local NO_SUCH_TABLE = 1146

local CREATE_TABLE = [[
CREATE TABLE IF NOT EXISTS schema_migrations (
  scope VARCHAR(63) NOT NULL,
  version INT NOT NULL,
  name VARCHAR(200) NOT NULL,
  checksum CHAR(64) NOT NULL,
  applied_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (scope, version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4]]

-- Set once nothing is pending, so that readiness costs no more then.
local all_applied = false

local function trimmed(text)
  return (text:gsub("^%s+", ""):gsub("[%s;]+$", ""))
end

-- Splits a file at its markers; raises naming the file.
local function parse(path, text)
  local up_at, up_from = text:find("%f[^%z\n]%-%- up%s-\n")
  local down_at, down_from = text:find("\n%-%- down%s-\n")
  if not up_at or not down_at or down_at < up_from then
    error(path .. ": needs '-- up' and then '-- down', each on a line of its own", 0)
  end
  local up, down = trimmed(text:sub(up_from + 1, down_at)), trimmed(text:sub(down_from + 1))
  if up == "" then
    error(path .. ": has nothing under '-- up'", 0)
  end
  return up, down
end

local function read_folder(list, scope, folder)
  local seen = {}
  for _, file in ipairs(fs.list_now(folder) or {}) do
    local version, name = file:match("^(%d%d%d%d)_([%w_]+)%.sql$")
    local path = folder .. "/" .. file
    if not version then
      error(path .. ": is not named NNNN_name.sql", 0)
    elseif seen[version] then
      error(path .. ": number " .. version .. " is taken by " .. seen[version], 0)
    end
    seen[version] = file
    local text = errors.check(fs.read_now(path, FILE_MAX))
    local up, down = parse(path, text)
    list[#list + 1] = {
      scope = scope, version = tonumber(version), name = name, path = path, up = up, down = down,
      checksum = crypto.hex(crypto.hash("sha256", text)),
    }
  end
end

--- All migrations in the order in which they are applied.
-- @return array of {scope, version, name, path, up, down, checksum}
function M.list()
  local list = {}
  read_folder(list, "platform", sys.root() .. "/migrations")
  for _, module in ipairs(plugin.manifests()) do
    if module.files.migrations then
      read_folder(list, module.name, sys.root() .. "/" .. module.folder .. "/migrations")
    end
  end
  return list
end

-- What the database says was applied, by "scope:version".
local function applied()
  local rows, err = host.query(
    "SELECT scope, version, name, checksum, applied_at FROM schema_migrations")
  if not rows and err.errno == NO_SUCH_TABLE then
    return {}
  end
  local by_key = {}
  for _, row in ipairs(errors.check(rows, err)) do
    by_key[row.scope .. ":" .. row.version] = row
  end
  return by_key
end

local function key_of(migration)
  return migration.scope .. ":" .. migration.version
end

--- All migrations with their `state`: "applied", "pending" or "changed" (applied, and the file is
-- another one now); and those in the database of which there is no file: "missing".
function M.status()
  local known = applied()
  local list = M.list()
  for _, migration in ipairs(list) do
    local row = known[key_of(migration)]
    known[key_of(migration)] = nil
    migration.state = not row and "pending" or row.checksum ~= migration.checksum and "changed"
      or "applied"
    migration.applied_at = row and row.applied_at
  end
  for _, row in pairs(known) do
    row.state = "missing"
    list[#list + 1] = row
  end
  return list
end

--- How many migrations this code needs that the database has not.
function M.pending()
  if all_applied then
    errors.check(host.query("SELECT 1"))
    return 0
  end
  local count = 0
  for _, migration in ipairs(M.status()) do
    count = count + (migration.state == "pending" and 1 or 0)
  end
  all_applied = count == 0
  return count
end

-- Runs fn while this session holds the lock.
local function locked(fn)
  local session = errors.check(host.begin())
  local held
  for _ = 1, LOCK_ATTEMPTS do
    local rows = errors.check(session:query("SELECT GET_LOCK(?, ?) AS held", LOCK, LOCK_WAIT_S))
    held = rows[1].held == 1
    if held then
      break
    end
  end
  if not held then
    session:rollback()
    error("another process is migrating this database", 0)
  end
  local ok, result = xpcall(fn, errors.capture)
  session:query("SELECT RELEASE_LOCK(?) AS released", LOCK)
  session:rollback()
  if not ok then
    error(result, 0)
  end
  return result
end

local function run_one(migration, sql, record, ...)
  local ok, err = host.execute_script(sql)
  if not ok then
    error(("%s: %s"):format(migration.path, tostring(err)), 0)
  end
  errors.check(host.query(record, ...))
end

local function refuse_changed(list)
  for _, migration in ipairs(list) do
    if migration.state == "changed" then
      error(migration.path .. ": was changed after it was applied; write a new one instead", 0)
    end
  end
end

--- Applies what is pending.
-- @param options { dry_run = only tell, progress = function(migration) called before each }
-- @return array of the migrations applied
function M.up(options)
  options = options or {}
  if options.dry_run then
    local list, todo = M.status(), {}
    refuse_changed(list)
    for _, migration in ipairs(list) do
      if migration.state == "pending" then
        todo[#todo + 1] = migration
      end
    end
    return todo
  end
  return locked(function()
    errors.check(host.execute_script(CREATE_TABLE))
    local list, done = M.status(), {}
    refuse_changed(list)
    for _, migration in ipairs(list) do
      if migration.state == "pending" then
        if options.progress then
          options.progress(migration)
        end
        run_one(migration, migration.up,
          "INSERT INTO schema_migrations (scope, version, name, checksum) VALUES (?, ?, ?, ?)",
          migration.scope, migration.version, migration.name, migration.checksum)
        done[#done + 1] = migration
      end
    end
    db.forget_tables()
    return done
  end)
end

--- Takes back the last `count` migrations.
-- @param options { dry_run =, progress = }
function M.down(count, options)
  options = options or {}
  local function work()
    local list, done = M.status(), {}
    for i = #list, 1, -1 do
      local migration = list[i]
      if #done >= count then
        break
      elseif migration.state == "applied" or migration.state == "changed" then
        if not options.dry_run then
          if options.progress then
            options.progress(migration)
          end
          run_one(migration, migration.down,
            "DELETE FROM schema_migrations WHERE scope = ? AND version = ?",
            migration.scope, migration.version)
        end
        done[#done + 1] = migration
      end
    end
    all_applied = false
    db.forget_tables()
    return done
  end
  if options.dry_run then
    return work()
  end
  return locked(work)
end

--- Writes the skeleton of a new migration.
-- @param name words joined by underscores
-- @param module nil for the platform, else the name of a plugin
-- @return its path
function M.new(name, module)
  if not name:find("^[a-z][a-z0-9_]*$") then
    error("the name has small letters, digits and underscores, such as create_crews", 0)
  end
  local folder = sys.root() .. "/migrations"
  for _, found in ipairs(plugin.manifests()) do
    if found.name == module then
      folder = sys.root() .. "/" .. found.folder .. "/migrations"
      module = nil
    end
  end
  if module then
    error("there is no plugin '" .. module .. "'", 0)
  end
  local last = 0
  for _, file in ipairs(fs.list_now(folder) or {}) do
    last = math.max(last, tonumber(file:match("^%d%d%d%d") or 0))
  end
  local path = ("%s/%04d_%s.sql"):format(folder, last + 1, name)
  errors.check(fs.mkdir(folder))
  errors.check(fs.write(path, "-- up\n\n\n-- down\n\n"))
  return path
end

return M
