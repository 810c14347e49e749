-- The configuration: config/default.lua, config/<env>.lua, environment, flags; checked against
-- one schema, all mistakes told together. The only module that reads the environment.
--
-- It is evaluated once per VM, so a reload sees changed files. It must not wait: the master runs
-- export() in a child before there is a loop.

local json = require("core.json")
local schema = require("core.config_schema")
local sys = require("core.sys")

local M = {}

local SOCKET_PATH_MAX = 107
local BUILT_IN_SECRET = "^development%-"

-- What operators know from elsewhere.
local KNOWN = {
  PORT = "http.port",
  DB_HOST = "db.host", DB_PORT = "db.port", DB_NAME = "db.name", DB_USER = "db.user",
  DB_PASSWORD = "db.password", DB_SOCKET = "db.socket", DB_POOL_MAX = "db.pool_max",
  REDIS_HOST = "redis.host", REDIS_PORT = "redis.port", REDIS_PASSWORD = "redis.password",
  REDIS_DB = "redis.db", REDIS_SOCKET = "redis.socket",
  JWT_SECRET = "auth.secret", JWT_EXPIRES_IN = "auth.access_ttl_s",
  REFRESH_TOKEN_EXPIRES_IN = "auth.refresh_ttl_s",
  FRONTEND_URL = "cors.origins", SOCKET_CORS_ORIGIN = "cors.origins",
  SMTP_HOST = "mail.host", SMTP_PORT = "mail.port", SMTP_USER = "mail.user",
  SMTP_PASS = "mail.password", SMTP_PASSWORD = "mail.password",
  EMAIL_FROM = "mail.from", EMAIL_FROM_NAME = "mail.from_name",
  TWILIO_ACCOUNT_SID = "sms.account", TWILIO_AUTH_TOKEN = "sms.token",
  TWILIO_PHONE_NUMBER = "sms.from", TWILIO_BASE_URL = "sms.url",
  RATE_LIMIT_WINDOW_MS = "limits.window_ms", RATE_LIMIT_MAX_REQUESTS = "limits.free_per_window",
  LOG_LEVEL = "log.level",
  FIXXIT_DATA = "server.data",
}

-- Read elsewhere or before the settings.
local NOT_SETTINGS = { FIXXIT_ENV = true, FIXXIT_ROOT = true }

local FLAGS = {
  ["--port"] = "http.port",
  ["--address"] = "http.address",
  ["--data"] = "server.data",
  ["--workers"] = "server.workers",
}

-- Commands that the host answers, so that nobody but us looks at their words.
local NATIVE = { serve = true, reload = true, status = true }

local UNIT_SECONDS = { s = 1, m = 60, h = 3600, d = 86400 }

local loaded

--- The value of `--name value` or `--name=value` among the command's arguments.
local function flag(argv, name)
  for i = 1, #argv do
    if argv[i] == name then
      return argv[i + 1] or ""
    end
    local value = argv[i]:match("^" .. name:gsub("%-", "%%-") .. "=(.*)$")
    if value then
      return value
    end
  end
  return nil
end

local function split(path)
  return path:match("^([^.]+)%.(.+)$")
end

local function field_of(path)
  local section, key = split(path)
  local fields = section and schema.fields[section]
  return fields and fields.fields and fields.fields[key]
end

local function comma_list(text)
  local list = json.array({})
  for entry in text:gmatch("[^,%s]+") do
    list[#list + 1] = entry:gsub("/$", "")
  end
  return list
end

-- "15m" of the names that other programs use too; plain numbers are seconds.
local function seconds(text)
  local number, unit = text:match("^(%d+)([smhd])$")
  return number and tostring(number * UNIT_SECONDS[unit]) or text
end

local function assign(values, path, text)
  local section, key = split(path)
  local field = field_of(path)
  local value = text
  if field.kind == "array" then
    value = comma_list(text)
    for _, earlier in ipairs(values[section][key] or {}) do
      value[#value + 1] = earlier
    end
  elseif key:find("_ttl_s$") then
    value = seconds(text)
  end
  values[section][key] = value
end

local function merge(values, other)
  for section, keys in pairs(other) do
    if type(keys) ~= "table" then
      values[section] = keys
    else
      values[section] = values[section] or {}
      for key, value in pairs(keys) do
        values[section][key] = type(value) == "table" and json.array(value) or value
      end
    end
  end
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- scheme://user:password@host:port/name
local function assign_url(values, section, schemes, url, problems)
  local scheme, rest = url:match("^(%w+)://([^?]*)")
  if not scheme or not schemes[scheme] then
    problems[#problems + 1] = section:upper() .. "_URL: is no address of a " .. section
    return
  end
  local credentials, place = rest:match("^(.*)@(.*)$")
  place = place or rest
  local host, port, name = place:match("^%[?([^%]/]-)%]?:?(%d*)/?([^/]*)$")
  local user, password = (credentials or ""):match("^([^:]*):?(.*)$")
  local target = values[section]
  target.host = host ~= "" and host or target.host
  target.port = port ~= "" and port or target.port
  target.password = password ~= "" and decode(password) or target.password
  if section == "db" then
    target.user = user ~= "" and decode(user) or target.user
    target.name = name ~= "" and decode(name) or target.name
  elseif name ~= "" then
    target.db = name
  end
end

-- NAME=value lines; quotes around the value and lines starting with # are passed over.
local function read_env_file(path, environ)
  local file = io.open(path)
  if not file then
    return
  end
  for line in file:lines() do
    local name, value = line:match("^%s*([%w_]+)%s*=%s*(.-)%s*$")
    if name and environ[name] == nil then
      environ[name] = value:match('^"(.*)"$') or value:match("^'(.*)'$") or value
    end
  end
  file:close()
end

local function setting_of(name)
  local wanted = name:match("^FIXXIT_(.+)$"):lower()
  for section, fields in pairs(schema.fields) do
    for _, key in ipairs(fields.names or {}) do
      if section .. "_" .. key == wanted then
        return section .. "." .. key
      end
    end
  end
  return nil
end

local function apply_environment(values, environ, problems)
  if environ.DATABASE_URL then
    assign_url(values, "db", { mysql = true, mariadb = true }, environ.DATABASE_URL, problems)
  end
  if environ.REDIS_URL then
    assign_url(values, "redis", { redis = true }, environ.REDIS_URL, problems)
  end
  local ours = {}
  for name in pairs(environ) do
    if KNOWN[name] or name:find("^FIXXIT_") and not NOT_SETTINGS[name] then
      ours[#ours + 1] = name
    end
  end
  table.sort(ours, function(a, b) -- our own names go over the general ones
    local a_own, b_own = a:find("^FIXXIT_") ~= nil, b:find("^FIXXIT_") ~= nil
    if a_own ~= b_own then
      return b_own
    end
    return a < b
  end)
  for _, name in ipairs(ours) do
    local path = KNOWN[name] or setting_of(name)
    if path then
      assign(values, path, environ[name])
    else
      problems[#problems + 1] = name .. ": no such setting"
    end
  end
end

-- Names that stand for more than one setting, or for a part of their text.
local function apply_shorthands(values, environ)
  local http, mail = values.http, values.mail
  if environ.FRONTEND_URL and http.frontend_url == "" then
    http.frontend_url = environ.FRONTEND_URL:match("[^,%s]*") -- of several, the first
  end
  if environ.SENDGRID_API_KEY and mail.host == "" then -- its SMTP relay
    mail.host, mail.user, mail.password = "smtp.sendgrid.net", "apikey", environ.SENDGRID_API_KEY
  end
end

local function apply_flags(values, argv)
  for name, path in pairs(FLAGS) do
    local value = flag(argv, name)
    if value then
      assign(values, path, value)
    end
  end
end

local function check_words(argv, problems)
  local i = NATIVE[argv[1]] and 2 or #argv + 1
  while i <= #argv do
    local name, value = argv[i]:match("^([^=]+)(=?)")
    if FLAGS[name] or name == "--env" then
      i = value == "=" and i or i + 1
    elseif argv[i] ~= "--json" and argv[i] ~= "--help" then
      problems[#problems + 1] = argv[i] .. ": is no option of fixxit " .. argv[1]
    end
    i = i + 1
  end
end

local function absolute(path)
  if path == "" or path:sub(1, 1) == "/" then
    return path
  end
  return (sys.cwd() .. "/" .. path:gsub("^%./", "")):gsub("/+$", "")
end

local function own_url(http)
  local scheme = http.tls_certificate ~= "" and "https" or "http"
  return ("%s://%s:%d"):format(scheme, http.address, http.port)
end

-- What follows from other settings: absolute paths, and private servers outside production.
local function derive(values)
  local data = absolute(values.server.data)
  values.server.data = data
  local frontend = values.http.frontend_url
  values.http.frontend_url = frontend ~= "" and frontend:gsub("/+$", "") or own_url(values.http)
  for _, key in ipairs({ "unix_socket", "tls_certificate", "tls_key" }) do
    values.http[key] = absolute(values.http[key])
  end
  values.log.access = absolute(values.log.access)
  for _, name in ipairs({ "image", "sandbox" }) do
    if values[name].socket == "" then
      values[name].socket = data .. "/run/" .. name .. ".sock"
    end
  end
  if values.env ~= "production" then
    if values.db.socket == "" and values.db.host == "" then
      values.db.socket = data .. "/run/mariadb.sock"
    end
    if values.redis.socket == "" and values.redis.host == "" then
      values.redis.socket = data .. "/run/redis.sock"
    end
  end
end

local SOCKETS = {
  "db.socket", "redis.socket", "image.socket", "sandbox.socket", "http.unix_socket",
}

local function check_sockets(values, problems)
  for _, path in ipairs(SOCKETS) do
    local section, key = split(path)
    if #values[section][key] > SOCKET_PATH_MAX then
      problems[#problems + 1] = path .. ": the path of a socket has at most " .. SOCKET_PATH_MAX
        .. " bytes; choose a shorter data folder than " .. values.server.data
    end
  end
end

local function check_proxies(values, problems)
  local http = values.http
  for _, network in ipairs(http.trusted_proxies) do
    local address = network:match("^(.*)/%d+$") or network
    if network ~= "unix" and not address:find("^[%x.:]+$") then
      problems[#problems + 1] = "http.trusted_proxies: " .. network
        .. " is no network such as 10.0.0.0/8"
    end
  end
  if #http.proxy_protocol > 0 and #http.trusted_proxies == 0 then
    problems[#problems + 1] = "http.proxy_protocol: needs http.trusted_proxies, or nobody can "
      .. "connect"
  end
end

local function check_certificate(values, problems)
  local http = values.http
  if (http.tls_certificate == "") ~= (http.tls_key == "") then
    problems[#problems + 1] = "http.tls_key: goes with http.tls_certificate, neither alone"
  end
  for _, key in ipairs({ "tls_certificate", "tls_key" }) do
    local file, problem = io.open(http[key])
    if file then
      file:close()
    elseif http[key] ~= "" then
      problems[#problems + 1] = "http." .. key .. ": " .. problem
    end
  end
  if http.tls_certificate ~= "" and table.concat(http.proxy_protocol, " "):find("tcp") then
    problems[#problems + 1] = "http.proxy_protocol: tcp is not possible together with TLS"
  end
end

local function check_production(values, problems)
  if values.env ~= "production" then
    return
  end
  if values.auth.secret:find(BUILT_IN_SECRET) then
    problems[#problems + 1] = "auth.secret: is the built-in one of development; set JWT_SECRET"
  end
  if values.lua.collect_always then
    problems[#problems + 1] = "lua.collect_always: is for tests only"
  end
  if values.db.socket == "" and values.db.host == "" then
    problems[#problems + 1] = "db.host: is required; set DATABASE_URL, DB_HOST or DB_SOCKET"
  end
end

local DEFAULT_ENV = { test = "test" }

local function choose_env(argv, environ)
  return flag(argv, "--env") or environ.FIXXIT_ENV or DEFAULT_ENV[argv[1]] or "development"
end

local function copied(values)
  local copy = {}
  merge(copy, values)
  return copy
end

--- Evaluates the configuration.
-- @param argv, environ for tests; else those of the process
-- @return the nested table; or nil and an array of texts, one per mistake
function M.load(argv, environ)
  argv = argv or sys.argv()
  local from_process = environ == nil
  environ = environ or sys.environ()
  local problems = {}
  local values = copied(require("config.default"))
  values.env = choose_env(argv, environ)
  if schema.fields.env.allowed[values.env] then
    merge(values, require("config." .. values.env))
  end
  if from_process and values.env == "development" then
    read_env_file(sys.root() .. "/.env", environ)
  end
  apply_environment(values, environ, problems)
  apply_shorthands(values, environ)
  apply_flags(values, argv)
  check_words(argv, problems)
  local clean, invalid = schema:validate(values, { coerce = true, strict = true })
  for _, problem in ipairs(invalid or {}) do
    problems[#problems + 1] = problem.field .. ": " .. problem.message
  end
  if not invalid then
    derive(clean)
    check_sockets(clean, problems)
    check_proxies(clean, problems)
    check_certificate(clean, problems)
    check_production(clean, problems)
  end
  if #problems > 0 then
    table.sort(problems)
    return nil, problems
  end
  return clean
end

local function explain(problems)
  return "the configuration is wrong:\n  " .. table.concat(problems, "\n  ") .. "\n"
end

--- The configuration as a nested table, evaluated on first use. Raises when it is wrong.
function M.get()
  if not loaded then
    local values, problems = M.load()
    if not values then
      error(explain(problems), 0)
    end
    loaded = values
  end
  return loaded
end

local function add_pair(out, key, value)
  local text = type(value) == "table" and table.concat(value, ",") or tostring(value)
  out[#out + 1] = key .. "\0" .. text .. "\0"
end

--- The configuration for the C side: "section.key\0value\0" and so on. When it is wrong, says so
-- on standard error and returns nil.
function M.export()
  local values, problems = M.load()
  if not values then
    sys.print_error("fixxit: " .. explain(problems))
    return nil
  end
  local out = {}
  for section, keys in pairs(values) do
    if type(keys) == "table" then
      for key, value in pairs(keys) do
        add_pair(out, section .. "." .. key, value)
      end
    else
      add_pair(out, section, keys)
    end
  end
  table.sort(out)
  return table.concat(out)
end

return M
