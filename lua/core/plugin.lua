-- Finds services and plugins, checks what they declare, and fills the registry. Both have the
-- same folder shape; services come first and may not require plugins.
--
-- Nothing is started here and nothing waits: a command loads everything too. All mistakes of all
-- modules are told together, each with its file.

local config = require("core.config")
local deprecation = require("core.deprecation")
local fs = require("core.fs")
local registry = require("core.registry")
local schema = require("core.schema")
local sys = require("core.sys")

local M = {}

local METHODS = { GET = true, POST = true, PUT = true, PATCH = true, DELETE = true }
local SPECIAL_PERMISSIONS = { public = true, user = true, platform_admin = true }
local DEFAULT_BASE = "/api/v1"
local DEFAULT_RATE = "standard"

local MANIFEST_KEYS = {
  name = "string", version = "string", requires = "table", permissions = "table",
  emits = "table", settings = "table", public = "table", summary = "string",
}

local ROUTE_KEYS = {
  method = "string", path = "string", base = "string", rate = "string",
  summary = "string", describe = "string", -- one line, and what else there is to say
  permission = true, tenant = true, authenticate = "boolean", params = "table", query = "table",
  enter = "function", -- enter(ctx, params): leads into the tenant that the path names, or raises
  body = "table", check = "function", multipart = "table", max_body = "number", answers = "table",
  text = "table", -- {["text/plain"] = "content"}: such a body is that field of the object
  secret = "boolean", handler = "function", name = "string",
  deprecated = "table", -- core.deprecation
  keys = "boolean", -- whether API keys may call it: unless it hands out secrets or has no tenant
  ruled = "boolean", -- whether a rule of the tenant's may refuse it
  versioned = "boolean", -- answers carry an ETag, which GET and writing compare
  -- What the answer holds, for OpenAPI: the schema of `data` (false: null) and of `meta`, or
  -- {type=, schema=} of an answer without the envelope.
  returns = true, meta = "table", content = "table",
  also = "number", -- the status besides a success under which the same comes: bad news
}

local HOOK_LISTS = { ready = true, rooms = true, health = true, collect = true, numbered = true,
  settings_changed = true }

local function problem(loading, where, format, ...)
  loading.problems[#loading.problems + 1] = where .. ": " .. format:format(...)
end

local function check_keys(loading, where, what, value, keys)
  for key, item in pairs(value) do
    local expected = keys[key]
    if not expected then
      problem(loading, where, "%s has an unknown key '%s'", what, tostring(key))
    elseif expected ~= true and type(item) ~= expected then
      problem(loading, where, "%s: '%s' must be a %s", what, key, expected)
    end
  end
end

-- Loads a module of a folder; a failure is a problem of its file.
local function load_file(loading, module, name)
  local where = module.folder .. "/" .. name .. ".lua"
  local ok, value = pcall(require, module.prefix .. "." .. name)
  if not ok then
    problem(loading, where, "%s", tostring(value))
    return nil
  elseif type(value) ~= "table" then
    problem(loading, where, "returns no table")
    return nil
  end
  return value
end

local function discover(loading, kind, folder, prefix)
  local names = fs.list_now(sys.root() .. "/" .. folder) or {}
  for _, name in ipairs(names) do
    local files = {}
    for _, file in ipairs(fs.list_now(sys.root() .. "/" .. folder .. "/" .. name) or {}) do
      files[file] = true
    end
    if files["manifest.lua"] then
      loading.found[#loading.found + 1] = {
        name = name, kind = kind, folder = folder .. "/" .. name, files = files,
        prefix = prefix .. "." .. name,
      }
    end
  end
end

local function read_manifest(loading, module)
  local where = module.folder .. "/manifest.lua"
  local manifest = load_file(loading, module, "manifest")
  if not manifest then
    return
  end
  check_keys(loading, where, "the manifest", manifest, MANIFEST_KEYS)
  if manifest.name ~= module.name then
    problem(loading, where, "the name must be that of the folder, '%s'", module.name)
  end
  module.manifest = manifest
  loading.by_name[module.name] = module
end

local function visit(loading, module, trail)
  if module.state == "done" then
    return
  end
  trail[#trail + 1] = module.name
  local where = module.folder .. "/manifest.lua"
  if module.state == "visiting" then
    problem(loading, where, "requires itself by way of %s", table.concat(trail, " -> "))
    return
  end
  module.state = "visiting"
  for _, name in ipairs(module.manifest.requires or {}) do
    local needed = loading.by_name[name]
    if not needed then
      problem(loading, where, "requires '%s', which is not there or disabled", name)
    elseif module.kind == "service" and needed.kind == "plugin" then
      problem(loading, where, "a service cannot require the plugin '%s'", name)
    else
      visit(loading, needed, trail)
    end
  end
  trail[#trail] = nil
  module.state = "done"
  loading.order[#loading.order + 1] = module
end

local function order(loading)
  for _, kind in ipairs({ "service", "plugin" }) do
    for _, module in ipairs(loading.found) do
      if module.kind == kind and module.manifest then
        visit(loading, module, {})
      end
    end
  end
end

local function declare(loading, module)
  local where = module.folder .. "/manifest.lua"
  for permission, description in pairs(module.manifest.permissions or {}) do
    local known = registry.permissions[permission]
    if known then
      problem(loading, where, "permission '%s' is declared by '%s' already", permission,
        known.module)
    elseif type(permission) ~= "string" then
      problem(loading, where, "permission '%s' needs a description: [\"%s\"] = \"...\"",
        tostring(description), tostring(description))
    end
    registry.permissions[permission] = { module = module.name, description = description }
  end
  for _, event in ipairs(module.manifest.emits or {}) do
    registry.emits[event] = module.name
  end
end

local function as_list(value)
  return type(value) == "table" and value or { value }
end

local function check_permission(loading, where, label, permission)
  for _, name in ipairs(as_list(permission)) do
    if not SPECIAL_PERMISSIONS[name] and not registry.permissions[name] then
      problem(loading, where, "%s: permission '%s' is in no manifest", label, tostring(name))
    end
  end
end

local function check_route(loading, where, index, route)
  local label = ("route %d (%s %s)"):format(index, tostring(route.method), tostring(route.path))
  check_keys(loading, where, label, route, ROUTE_KEYS)
  if not METHODS[route.method] then
    problem(loading, where, "%s: no such method", label)
  end
  if type(route.path) ~= "string" or not route.path:find("^/[%w%-_/:.*]*$") then
    problem(loading, where, "%s: the path must start with / and hold plain segments", label)
  end
  if not route.handler or not route.summary then
    problem(loading, where, "%s: needs a handler and a summary", label)
  end
  if route.permission == nil then
    problem(loading, where, "%s: needs a permission", label)
  end
  check_permission(loading, where, label, route.permission)
  local wrong = type(route.deprecated) == "table" and deprecation.problem(route.deprecated)
  if wrong then
    problem(loading, where, "%s: deprecated %s", label, wrong)
  end
  if route.returns and not schema.is(route.returns) then
    problem(loading, where, "%s: returns must be a schema, or false for null", label)
  end
  for _, part in ipairs({ "params", "query", "body" }) do
    if route[part] ~= nil and not (schema.is(route[part]) and route[part].kind == "object") then
      problem(loading, where, "%s: %s must be an object schema", label, part)
    end
  end
end

-- The registry's route is a copy with every default filled in.
local function add_routes(loading, module, routes, where)
  for index, route in ipairs(routes) do
    check_route(loading, where, index, route)
    local copy = {}
    for key, value in pairs(route) do
      copy[key] = value
    end
    copy.base = route.base or DEFAULT_BASE
    copy.rate = route.rate or DEFAULT_RATE
    if copy.tenant == nil then
      copy.tenant = true
    end
    if copy.keys == nil then
      copy.keys = copy.tenant ~= false and not copy.secret
    end
    copy.permissions = as_list(route.permission)
    copy.module, copy.where = module.name, where
    registry.routes[#registry.routes + 1] = copy
  end
end

local function merge_table(loading, where, what, from, into)
  for name, value in pairs(from or {}) do
    if into[name] ~= nil then
      problem(loading, where, "%s '%s' exists already", what, tostring(name))
    end
    into[name] = value
  end
end

local function add_hooks(loading, where, hooks)
  for name, hook in pairs(hooks or {}) do
    if type(hook) ~= "function" then
      problem(loading, where, "hook '%s' is no function", name)
    elseif HOOK_LISTS[name] then
      registry.hooks[name] = registry.hooks[name] or {}
      table.insert(registry.hooks[name], hook)
    elseif registry.hooks[name] then
      problem(loading, where, "hook '%s' exists already", name)
    else
      registry.hooks[name] = hook
    end
  end
end

local function add_listeners(listeners)
  for event, jobs in pairs(listeners or {}) do
    registry.listeners[event] = registry.listeners[event] or {}
    for _, job in ipairs(jobs) do
      table.insert(registry.listeners[event], job)
    end
  end
end

-- What a module lets tenants' scripts do: {capabilities = {table name = array of entries},
-- permissions = {"reports.read", ...}, actions = {"report.create" = {event =, shows =}},
-- entities = {report = {show =, lock =}}}.
local function add_scripts(loading, where, scripts)
  for prefix, entries in pairs(scripts.capabilities or {}) do
    local named = {}
    for _, entry in ipairs(entries) do
      if entry.name ~= prefix and entry.name:match("^(%w+)%.%l[%l_]*$") ~= prefix then
        problem(loading, where, "capability '%s' is not of the table '%s'", entry.name, prefix)
      elseif not schema.is(entry.arguments) or type(entry.run) ~= "function" then
        problem(loading, where, "capability '%s' needs arguments, a schema, and run", entry.name)
      elseif entry.writes and not entry.made_up then
        problem(loading, where, "capability '%s' writes: it needs made_up", entry.name)
      elseif named[entry.name] then
        problem(loading, where, "capability '%s' is there twice", entry.name)
      end
      named[entry.name] = entry
    end
    merge_table(loading, where, "capability", named, registry.capabilities)
  end
  merge_table(loading, where, "action", scripts.actions, registry.script_actions)
  merge_table(loading, where, "entity", scripts.entities, registry.script_entities)
  for _, permission in ipairs(scripts.permissions or {}) do
    check_permission(loading, where, "scripts", permission)
    registry.script_permissions[permission] = true
  end
end

local function add_jobs(loading, module)
  local where = module.folder .. "/jobs.lua"
  local jobs = load_file(loading, module, "jobs")
  if not jobs then
    return
  end
  for name, job in pairs(jobs.handlers or {}) do
    if type(job) ~= "table" or type(job.run) ~= "function" then
      problem(loading, where, "job '%s' has no function run", name)
    end
  end
  merge_table(loading, where, "job", jobs.handlers, registry.jobs)
  merge_table(loading, where, "queue", jobs.queues, registry.queues)
  for _, schedule in ipairs(jobs.schedules or {}) do
    registry.schedules[#registry.schedules + 1] = schedule
  end
end

local function add_module(loading, module)
  local where = module.folder .. "/init.lua"
  if module.files["init.lua"] then
    module.init = load_file(loading, module, "init")
  end
  local init = module.init or {}
  add_hooks(loading, where, init.hooks)
  merge_table(loading, where, "event", init.events, registry.events)
  merge_table(loading, where, "topic", init.topics, registry.topics)
  merge_table(loading, where, "file parent", init.file_parents, registry.file_parents)
  merge_table(loading, where, "clock", init.clocks, registry.clocks)
  merge_table(loading, where, "message", init.messages, registry.messages)
  merge_table(loading, where, "audience", init.audiences, registry.audiences)
  registry.personal[#registry.personal + 1] = init.personal
  add_scripts(loading, where, init.scripts or {})
  add_listeners(init.listeners)
  if module.files["routes.lua"] then
    local routes = load_file(loading, module, "routes")
    if routes then
      add_routes(loading, module, routes, module.folder .. "/routes.lua")
    end
  end
  if module.files["jobs.lua"] then
    add_jobs(loading, module)
  end
  registry.modules[#registry.modules + 1] = module
end

-- Names that only make sense once everything is there.
local function check_references(loading)
  for event, jobs in pairs(registry.listeners) do
    if not registry.emits[event] then
      problem(loading, "listeners", "event '%s' is emitted by no manifest", event)
    end
    for _, job in ipairs(jobs) do
      if not registry.jobs[job] then
        problem(loading, "listeners", "event '%s': there is no job '%s'", event, job)
      end
    end
  end
  for name, action in pairs(registry.script_actions) do
    if not registry.emits[action.event] then
      problem(loading, "actions", "'%s': event '%s' is emitted by no manifest", name,
        tostring(action.event))
    end
  end
  for _, schedule in ipairs(registry.schedules) do
    if not registry.jobs[schedule.job] then
      problem(loading, "schedules", "'%s': there is no job '%s'", schedule.name,
        tostring(schedule.job))
    end
  end
end

local function without_disabled(loading)
  local disabled = {}
  for _, name in ipairs(config.get().plugins.disabled) do
    disabled[name] = true
  end
  local kept = {}
  for _, module in ipairs(loading.found) do
    if module.kind == "service" or not disabled[module.name] then
      kept[#kept + 1] = module
    end
  end
  loading.found = kept
end

--- The modules in load order with their manifests, without loading their code: for migrations.
-- @return array of {name, kind, folder, files, manifest}
function M.manifests()
  local loading = { found = {}, by_name = {}, order = {}, problems = {} }
  discover(loading, "service", "lua/services", "services")
  discover(loading, "plugin", "plugins", "plugins")
  without_disabled(loading)
  for _, module in ipairs(loading.found) do
    read_manifest(loading, module)
  end
  order(loading)
  return loading.order, loading
end

--- Loads everything into the registry; once per VM. Raises with all problems found.
-- @param own_routes the framework's own route tables
function M.load(own_routes)
  if registry.loaded then
    return registry
  end
  local modules, loading = M.manifests()
  for _, module in ipairs(modules) do
    declare(loading, module)
  end
  add_routes(loading, { name = "system" }, own_routes or {}, "lua/core/system_routes.lua")
  for _, module in ipairs(modules) do
    add_module(loading, module)
  end
  check_references(loading)
  if #loading.problems > 0 then
    error("the services and plugins have problems:\n  "
      .. table.concat(loading.problems, "\n  "), 0)
  end
  registry.loaded = true
  return registry
end

--- Starts the loaded modules in load order.
-- @param role "http" or "job"
function M.start(role)
  registry.role = role
  for _, module in ipairs(registry.modules) do
    if module.init and module.init.start then
      module.init.start(registry)
    end
    module.started = true
  end
end

--- Stops in reverse order what was started.
-- @param grace_ms after which whatever still runs is cancelled
function M.stop(grace_ms)
  for i = #registry.modules, 1, -1 do
    local module = registry.modules[i]
    if module.started and module.init and module.init.stop then
      module.init.stop(registry, grace_ms)
    end
    module.started = nil
  end
end

return M
