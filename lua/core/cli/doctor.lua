-- fixxit doctor: looks at what the server needs and says what is missing.

local config = require("core.config")
local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local image = require("core.image")
local json = require("core.json")
local migrate = require("core.migrate")
local plugin = require("core.plugin")
local redis = require("core.redis")
local sandbox = require("core.sandbox")
local system_routes = require("core.system_routes")

local M = {
  summary = "Check configuration, code, database, Redis, data folder, port, pictures and scripts.",
}

local SPACE_MIN_MB = 500
local MB = 1048576
local TOOLS = { { "luacheck", "lua-check" }, { "diff", "diffutils" }, { "prlimit", "util-linux" } }

-- One pixel: what the image process is asked to look at.
local PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
  .. "hgGAWjR9awAAAABJRU5ErkJggg=="

-- Whether the server of this data folder runs: what it wrote when it was up is still true.
local function is_running()
  local text = fs.read(config.get().server.data .. "/run/ready", 100)
  local pid = text and text:match("^(%d+)")
  local words = pid and fs.read("/proc/" .. pid .. "/cmdline", 65536)
  return words ~= nil and words:find("%zserve%z") ~= nil
end

-- Whether anybody on this machine listens on the port.
local function is_taken(port)
  local wanted = (":%04X"):format(port)
  for _, path in ipairs({ "/proc/net/tcp", "/proc/net/tcp6" }) do
    for address, state in (fs.read(path) or ""):gmatch("\n%s*%d+: (%S+) %S+ (%x%x)") do
      if state == "0A" and address:sub(-5) == wanted then
        return true
      end
    end
  end
  return false
end

local function check_port()
  local port = config.get().http.port
  if is_running() then
    return "the server of this data folder runs"
  elseif port > 0 and is_taken(port) then
    error(port .. " is taken by another program: stop it, or set PORT", 0)
  end
  return port .. " is free"
end

local function check_space()
  local space = errors.check(fs.space(config.get().server.data))
  local text = ("%d MB free of %d MB"):format(space.free / MB, space.total / MB)
  if space.free < SPACE_MIN_MB * MB then
    error(text .. ": uploads will soon be refused", 0)
  end
  return text
end

local function check_mail()
  local mail = config.get().mail
  if mail.host ~= "" then
    return mail.host .. ":" .. mail.port
  elseif config.get().env == "production" then
    error("there is no mail server: set SMTP_HOST", 0)
  end
  return "none: mails stay here"
end

local function check_images()
  if not is_running() then
    return "not asked: no server runs"
  end
  local path = config.get().server.data .. "/tmp/doctor.png"
  errors.check(fs.write(path, crypto.unbase64(PICTURE)))
  local picture, err = image.inspect(path)
  fs.unlink(path)
  errors.check(picture, err)
  return "answers"
end

local function check_scripts()
  if not is_running() then
    return "not asked: no server runs"
  end
  errors.check(sandbox.open("doctor", "draft"))
  return "answers"
end

-- The programs that look at tenants' scripts.
local function check_tools()
  for _, tool in ipairs(TOOLS) do
    if not fs.stat("/usr/bin/" .. tool[1]) and not fs.stat("/bin/" .. tool[1]) then
      error(("%s is missing: install the package %s"):format(tool[1], tool[2]), 0)
    end
  end
  return "all there"
end

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
  { "disk space", check_space },
  { "port", check_port },
  { "image process", check_images },
  { "scripts", check_scripts },
  { "tools", check_tools },
  { "mail", check_mail },
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
