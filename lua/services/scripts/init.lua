--- Tenants' scripts: rules that change how the product works for one tenant.

local active = require("services.scripts.active")
local canary = require("services.scripts.canary")
local development = require("services.scripts.development")
local releases = require("services.scripts.releases")
local secrets = require("services.scripts.secrets")
local switches = require("services.scripts.switches")

local M = {}

-- Dispatchers and above hear what runs now.
M.events = {
  ["script.released"] = {
    socket = "script:released",
    rooms = function(event)
      return { { room = "tenant_" .. event.tenantId .. "_admin", data = event.data } }
    end,
  },
}

--- What runs for a tenant, from memory: see services/scripts/active.lua.
M.active = active.find

--- The release that runs for an entity, or nil.
M.for_entity = active.for_entity

--- The rules of a release, {{path, content}, ...}.
M.rules = active.rules

--- Notes how a run of a release ended; a canary that fails too often is taken back.
M.record = canary.record

--- Switches a file, or a handler of it, off.
M.disable = switches.disable

--- What a secret says, or nil.
M.secret = secrets.get

--- A release's row by its number; 404 when there is none.
M.find_release = releases.get

function M.start()
  active.start()
  development.start()
end

function M.stop()
  active.stop()
end

return M
