--- A copy of the Lua tree with a plugin of the test's own, so that a test may change and break it.
--
-- The plugin answers GET /probe with the value of its service's function value(), which the test
-- writes; options add routes.
local servers = require("tests.support.server")

local M = {}

local NAME = "describe_probe"

local Probe = {}
Probe.__index = Probe

function Probe:write(path, text)
  local file = assert(io.open(self.root .. "/" .. path, "w"))
  file:write(text)
  file:close()
end

--- Writes the module whose function value() is asked.
function Probe:save(text)
  self:write("plugins/" .. NAME .. "/service.lua", text)
end

--- Saves a service whose value is this number.
function Probe:set(value)
  self:save(("return { value = function() return %d end }\n"):format(value))
end

--- What GET /probe shows, nil when it does not answer as it should.
function Probe.value(_, api)
  local ok, answer = pcall(api.get, api, "/probe")
  return ok and answer.json and answer.json.data and answer.json.data.value or nil
end

function Probe:remove()
  servers.shell("rm -rf " .. self.root)
end

--- @param routes Lua text: further entries of the plugin's routes.lua, or nil
-- @return probe with .root for FIXXIT_ROOT
function M.new(routes)
  local root = os.tmpname()
  servers.shell(("rm -f %s; mkdir -p %s/plugins/%s && cp -a lua plugins config migrations tenants %s/")
    :format(root, root, NAME, root))
  local probe = setmetatable({ root = root }, Probe)
  probe:write("plugins/" .. NAME .. "/manifest.lua",
    ('return { name = "%s", version = "1.0.0" }\n'):format(NAME))
  probe:write("plugins/" .. NAME .. "/init.lua", "return {}\n")
  probe:write("plugins/" .. NAME .. "/routes.lua", ([[
    local reply = require("core.reply")
    local service = require("plugins.%s.service")
    return {
      { method = "GET", path = "/probe", summary = "Probe.", permission = "public", tenant = false,
        handler = function() return reply.ok({ value = service.value() }) end },
      %s
    }
  ]]):format(NAME, routes or ""))
  probe:set(0)
  return probe
end

return M
