-- fixxit doctor: looks at what the server needs and says what is missing.

local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local migrate = require("core.migrate")
local plugin = require("core.plugin")
local redis = require("core.redis")
local system_routes = require("core.system_routes")

local M = { summary = "Check configuration, code, database, Redis and data folder." }

local CHECKS = {
  { "configuration", function()
    return config.get().env
  end },
  { "code", function()
    return #plugin.load(system_routes).routes .. " routes"
  end },
  { "database", function()
    return errors.check(db.ping())
  end },
  { "migrations", function()
    local pending = migrate.pending()
    if pending > 0 then
      error(pending .. " pending: run fixxit migrate", 0)
    end
    return "all applied"
  end },
  { "redis", function()
    return errors.check(redis.call("PING"))
  end },
  { "data folder", function()
    local folder = config.get().server.data
    errors.check(fs.write(folder .. "/run/doctor", "ok"))
    errors.check(fs.unlink(folder .. "/run/doctor"))
    return folder
  end },
}

function M.run(cx)
  local results, healthy = json.array({}), true
  for _, check in ipairs(CHECKS) do
    local ok, detail = pcall(check[2])
    healthy = healthy and ok
    results[#results + 1] = { check = check[1], ok = ok, detail = tostring(detail) }
    if not cx.json then
      cx.print(("%-4s %-14s %s"):format(ok and "ok" or "FAIL", check[1], tostring(detail)))
    end
  end
  if cx.json then
    cx.print_json(results)
  end
  return healthy and 0 or 1
end

return M
