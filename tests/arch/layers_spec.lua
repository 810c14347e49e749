-- Who may know whom: see docs/architecture.md. Nothing knows a floor above its own.
local sources = require("tests.arch.sources")

local RUNTIME = { ["lua_vm"] = true, ["lua_task"] = true, ["lua_util"] = true, ["lua_bindings"] = true }
-- A binding of several files: their shared header, and who they are.
local SHARED = {
  ["lua_http_exchange"] = {
    ["lua_http"] = true, ["lua_http_access"] = true, ["lua_http_answer"] = true, ["lua_http_body"] = true,
  },
  ["lua_db"] = { ["lua_db_op"] = true, ["lua_db_rows"] = true, ["lua_db_tx"] = true },
  -- values that leave a sandbox are written by the same codec
  ["lua_json"] = { ["lua_json_encode"] = true, ["lua_sandbox_jobs"] = true, ["lua_sandbox_prelude"] = true },
  ["lua_sandbox_vm"] = {
    ["lua_sandbox_base"] = true, ["lua_sandbox_charge"] = true, ["lua_sandbox_jobs"] = true,
    ["lua_sandbox_memory"] = true, ["lua_sandbox_pairs"] = true, ["lua_sandbox_patterns"] = true, ["lua_sandbox_prelude"] = true,
    ["lua_sandbox_problem"] = true, ["lua_sandbox_run"] = true, ["lua_sandbox_string"] = true,
    ["lua_sandbox_table"] = true,
  },
}
-- Tasks of the host's own Lua; a sandbox's threads, which never see a task.
local RESUMES = { ["host/lua_task.c"] = true, ["host/lua_sandbox_run.c"] = true }
local LUA_HEADERS = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true, ["luajit.h"] = true }

local function violations(check)
  local found = {}
  check(function(path, text)
    found[#found + 1] = path .. ": " .. text
  end)
  assert.same({}, found)
end

local function is_binding(path)
  return path:match("^host/lua_") ~= nil
end

describe("the host", function()
  it("knows Lua only in its bindings", function()
    violations(function(report)
      for _, ending in ipairs({ ".c", ".h" }) do
        for _, path in ipairs(sources.files("host", ending)) do
          for _, name in ipairs(sources.includes(path)) do
            if not is_binding(path) and (LUA_HEADERS[name] or name:match("^lua_")) then
              report(path, name)
            end
          end
        end
      end
    end)
  end)

  it("has bindings that know no other binding", function()
    violations(function(report)
      for _, path in ipairs(sources.files("host", ".c")) do
        local own = path:match("^host/(lua_[%w_]+)%.c$")
        for _, name in ipairs(own and not RUNTIME[own] and sources.includes(path) or {}) do
          local other = name:match("^(lua_[%w_]+)%.h$")
          -- lua_http.h only hands the request over to the protocol that takes its connection
          local shared = SHARED[other] and SHARED[other][own]
          if other and other ~= own and not RUNTIME[other] and not shared and other ~= "lua_http" then
            report(path, name)
          end
        end
      end
    end)
  end)

  it("resumes coroutines in one place for each kind", function()
    violations(function(report)
      for _, path in ipairs(sources.files("host", ".c")) do
        if not RESUMES[path] and sources.code(path):match("lua_resume%s*%(") then
          report(path, "lua_resume")
        end
      end
    end)
  end)

  it("knows no word of the domain", function()
    violations(function(report)
      for _, ending in ipairs({ ".c", ".h" }) do
        for _, path in ipairs(sources.files("host", ending)) do
          local text = sources.read(path):lower()
          for _, word in ipairs({ "tenant", "work order", "workorder", "hazard", "dispatcher", "citizen" }) do
            if text:find(word, 1, true) then
              report(path, word)
            end
          end
        end
      end
    end)
  end)

  it("offers every primitive that a binding opens", function()
    local table_text = sources.read("host/lua_bindings.c")
    violations(function(report)
      for _, path in ipairs(sources.files("host", ".c")) do
        for name in sources.code(path):gmatch("int luaopen_(host_[%w_]+)%s*%(lua_State %*L%)%s*{") do
          if not table_text:find("luaopen_" .. name, 1, true) then
            report(path, name .. " is not in lua_bindings.c")
          end
        end
      end
    end)
  end)
end)

--- The floor, folder and unit of a Lua file: "plugins", "plugins/reports", "reports".
local function place(path)
  local plugin = path:match("^plugins/([%w_]+)/")
  if plugin then
    return "plugins", plugin
  end
  local service = path:match("^lua/services/([%w_]+)/")
  if service then
    return "services", service
  end
  return path:match("^lua/core/") and "core" or "other"
end

local function plugin_requires(name)
  local manifest = dofile("plugins/" .. name .. "/manifest.lua")
  local set = {}
  for _, other in ipairs(manifest.requires or {}) do
    set[other] = true
  end
  return set
end

-- What each floor may require, given the name and who asks.
local MAY = {
  core = function(name)
    return name:match("^host%.") or name:match("^core%.") or name:match("^config%.")
      or name:match("^busted%.") -- the command `test` runs it
  end,
  services = function(name, unit)
    return name:match("^core%.") or name:match("^services%.[%w_]+$")
      or name:match("^services%." .. unit .. "%.")
  end,
  plugins = function(name, unit)
    local other = name:match("^plugins%.([%w_]+)$")
    return name:match("^core%.") or name:match("^services%.[%w_]+$")
      or name:match("^plugins%." .. unit .. "$") or name:match("^plugins%." .. unit .. "%.")
      or (other and plugin_requires(unit)[other])
  end,
}

local ALWAYS = { bit = true, ["jit"] = true, ["table.new"] = true, ["table.clear"] = true }

local function is_spec(path)
  return path:match("_spec%.lua$") or path:match("/tests/")
end

describe("Lua", function()
  it("requires only what its floor may know", function()
    violations(function(report)
      for _, folder in ipairs({ "lua", "plugins" }) do
        for _, path in ipairs(sources.files(folder, ".lua")) do
          local floor, unit = place(path)
          for _, name in ipairs(MAY[floor] and not is_spec(path) and sources.requires(path) or {}) do
            if not ALWAYS[name] and not MAY[floor](name, unit) then
              report(path, name)
            end
          end
        end
      end
    end)
  end)

  it("keeps SQL in the stores", function()
    local allowed = { ["lua/core/db.lua"] = true, ["lua/core/migrate.lua"] = true }
    violations(function(report)
      for _, folder in ipairs({ "lua", "plugins" }) do
        for _, path in ipairs(sources.files(folder, ".lua")) do
          local code = not is_spec(path) and not path:match("[/_]store%.lua$")
            and not path:match("^lua/core/db") and not allowed[path]
            and sources.code(path) or ""
          for _, pattern in ipairs({ "SELECT%s+[%w%*`]", "INSERT%s+INTO%s", "UPDATE%s+[%w_]+%s+SET%s", "DELETE%s+FROM%s" }) do
            if code:match(pattern) then
              report(path, pattern)
            end
          end
        end
      end
    end)
  end)

  it("reads the environment only in core.config", function()
    violations(function(report)
      for _, folder in ipairs({ "lua", "plugins" }) do
        for _, path in ipairs(sources.files(folder, ".lua")) do
          local code = not is_spec(path) and not path:match("^lua/core/config") and sources.code(path) or ""
          if code:match("os%.getenv") or code:match("sys%.env") then
            report(path, "environment")
          end
        end
      end
    end)
  end)

  it("leaves the tenant out of a statement only where the platform must", function()
    -- Sign-in looks people up before a tenant is known; the relay and the queue serve all tenants.
    local allowed = {
      ["^lua/core/"] = true,
      ["^lua/services/identity/[%w_]*store"] = true,
      ["^lua/services/notifications/[%w_]*store"] = true,
      ["^lua/services/events/store"] = true,
      ["^lua/services/jobs/store"] = true,
      ["^lua/services/clocks/due_store"] = true, -- whose clocks are due is not known before
      ["^lua/services/files/store"] = true,
      ["^lua/services/audit/store"] = true,
      ["^lua/services/persons/store"] = true, -- an account belongs to no tenant
      ["^lua/services/cluster/store"] = true, -- nodes are no tenant's
      ["^lua/services/scripts/listeners_store"] = true, -- the relay and housekeeping serve all tenants
      ["^lua/services/scripts/schedules_store"] = true, -- due ones of all tenants
      ["^plugins/%w+/personal_store"] = true, -- an account may have worked in any tenant
      ["^plugins/reports/tracking_store"] = true, -- a tracking code names no tenant
    }
    violations(function(report)
      for _, folder in ipairs({ "lua", "plugins" }) do
        for _, path in ipairs(sources.files(folder, ".lua")) do
          if not is_spec(path) and sources.code(path):match("db%.platform%s*%(") then
            local ok = false
            for pattern in pairs(allowed) do
              ok = ok or path:match(pattern) ~= nil
            end
            if not ok then
              report(path, "db.platform")
            end
          end
        end
      end
    end)
  end)

  it("writes audit rows and outbox rows in one place each", function()
    violations(function(report)
      for _, folder in ipairs({ "lua", "plugins" }) do
        for _, path in ipairs(sources.files(folder, ".lua")) do
          local code = not is_spec(path) and sources.code(path) or ""
          if code:match("INTO%s+audit_logs") and not path:match("^lua/services/audit/") then
            report(path, "audit_logs")
          end
          if code:match("INTO%s+outbox") and not path:match("^lua/services/events/") then
            report(path, "outbox")
          end
        end
      end
    end)
  end)
end)
