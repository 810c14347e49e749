--- Tenants' scripts: rules that change how the product works for one tenant.

local sys = require("core.sys")
local active = require("services.scripts.active")
local before = require("services.scripts.before")
local canary = require("services.scripts.canary")
local capabilities = require("services.scripts.capabilities")
local development = require("services.scripts.development")
local drafts = require("services.scripts.drafts")
local escalations = require("services.scripts.escalations")
local folder = require("services.scripts.folder")
local hooks = require("services.scripts.hooks")
local listeners = require("services.scripts.listeners")
local made_up = require("services.scripts.made_up")
local pins = require("services.scripts.pins_store")
local record = require("services.scripts.record")
local releases = require("services.scripts.releases")
local schedules = require("services.scripts.schedules")
local secrets = require("services.scripts.secrets")
local store = require("services.scripts.store")
local switches = require("services.scripts.switches")
local tail = require("services.scripts.tail")
local templates = require("services.scripts.templates")
local workflows = require("services.scripts.workflows")

local M = {}

-- Dispatchers and above hear what runs now, and what failed for good.
local function rooms(event)
  return { { room = "tenant_" .. event.tenantId .. "_admin", data = event.data } }
end

M.events = {
  ["script.released"] = { socket = "script:released", rooms = rooms },
  ["script.failed"] = { socket = "script:failed", rooms = rooms },
}

M.clocks = escalations.kinds

M.topics = { scripts = tail.topic }

M.hooks = { numbered = listeners.numbered, override_message = templates.override }

--- Stands in front of an action: the tenant's rules change what it is given, or refuse it.
M.before = before

--- Runs one hook of what runs for the context's tenant: see services/scripts/hooks.lua.
M.call = hooks.call

--- The hooks of a release of one kind and name.
M.find_hooks = hooks.find

M.scripts = capabilities

--- What a capability's made_up may give: see services/scripts/made_up.lua.
M.made_up = made_up.of

--- What runs for a tenant, from memory: see services/scripts/active.lua.
M.active = active.find

--- The release that runs for an entity, or nil.
M.for_entity = active.for_entity

--- The states and moves that rules add: see services/scripts/workflows.lua.
M.workflow = workflows.of
M.opening = workflows.opening
M.states = workflows.states
M.ask_guards = workflows.ask
M.guards_refusal = workflows.refusal
M.is_guarded = workflows.is_guarded

--- The releases that the rows of a table are pinned to: see services/scripts/pins_store.lua.
M.pins = pins.of

--- The rules of a release, {{path, content}, ...}.
M.rules = active.rules

--- Notes how a run of a release ended; a canary that fails too often is taken back.
M.record = canary.record

--- Switches a file, or a handler of it, off.
M.disable = switches.disable

--- What a secret says, or nil.
M.secret = secrets.get

--- Whether the context's tenant has no draft and no release, nor ever had one.
function M.is_untouched(ctx)
  return store.find_standing(ctx) == nil
end

--- Publishes the files of tenants/<slug>/ as the next release of the context's tenant. Waits, and
-- wants the zygote.
function M.publish_folder(ctx, message)
  drafts.replace(ctx, folder.read(folder.of(ctx.tenant.slug)).files)
  return releases.publish(ctx, { message = message })
end

--- A release's row by its number; 404 when there is none.
M.find_release = releases.get

function M.start()
  active.start()
  development.start()
  if sys.role() ~= "cli" then
    record.start()
    tail.start()
    schedules.start()
  end
end

function M.stop()
  active.stop()
  if sys.role() ~= "cli" then
    schedules.stop()
    tail.stop()
    record.stop()
  end
end

return M
