-- Reports: what this plugin offers to the platform and to other plugins.

local json = require("core.json")
local access = require("plugins.reports.rules.access")
local capabilities = require("plugins.reports.capabilities")
local entity = require("plugins.reports.entity")
local escalation = require("plugins.reports.escalation")
local extensions = require("plugins.reports.extensions")
local messages = require("plugins.reports.rules.messages")
local personal = require("plugins.reports.personal")
local reading = require("plugins.reports.reading")
local service = require("plugins.reports.service")
local status = require("plugins.reports.status")
local store = require("plugins.reports.store")
local tracking = require("plugins.reports.rules.tracking")
local view = require("plugins.reports.rules.view")

local M = {}

M.create = service.create
M.set_status = status.set_status
M.merge = status.merge
M.count = store.count
M.ask_progress = status.ask_progress
M.progress = status.progress
M.lock = status.lock
M.get_for_work_order = status.get_for_work_order
M.register_section = extensions.register_section
M.register_filter = extensions.register_filter
M.register_group = extensions.register_group

local function room_of(id)
  return "report_" .. id
end

-- Richest first: a connection gets the first that it is in.
local function rooms(event)
  return {
    { room = "tenant_" .. event.tenantId .. "_admin", data = event.data },
    { room = "tenant_" .. event.tenantId, data = view.for_members(event.data) },
    { room = room_of(event.resourceId), data = view.for_anybody(event.data) },
  }
end

-- How long a report waits is not told to whoever reported it.
local function staff_rooms(event)
  local found = rooms(event)
  return { found[1], found[2] }
end

M.events = {
  ["report.created"] = { socket = "report:created", rooms = rooms },
  ["report.updated"] = { socket = "report:updated", rooms = rooms },
  ["report.escalated"] = { socket = "report:escalated", rooms = staff_rooms },
}

-- What rules can do, and stand in front of.
M.messages = messages

M.scripts = {
  capabilities = capabilities.capabilities,
  permissions = capabilities.permissions,
  entities = { report = entity.with(status.migrate) },
  actions = {
    ["report.create"] = { event = "report.created", given = entity.given },
    ["report.update"] = { event = "report.updated", shows = function(data)
      return not data.previousStatus and not data.deleted
    end },
    ["report.status"] = { event = "report.updated", shows = function(data)
      return data.previousStatus ~= nil and data.status ~= "duplicate"
    end },
    ["report.merge"] = { event = "report.updated", shows = function(data)
      return data.previousStatus ~= nil and data.status == "duplicate"
    end, given = function(_, event)
      return { into = event.data.duplicateOf }
    end },
  },
}

M.clocks = escalation.kinds

M.topics = {
  report = {
    allow = function(ctx, id)
      local report = reading.find(ctx, id)
      return report and room_of(report.id)
    end,
    snapshot = function(ctx, id)
      return (reading.show(ctx, id))
    end,
  },
  track = {
    anonymous = true,
    allow = function(ctx, code)
      local report, own = reading.find_by_code(ctx, code)
      if report then
        return room_of(report.id), own.tenant.id
      end
    end,
    snapshot = function(ctx, code)
      return json.raw((reading.track(ctx, code)))
    end,
  },
}

-- `?track=CODE` in the request stands for a sign-in of the anonymous reporter.
local function shown_code(ctx)
  local query = ctx.req and ctx.req:query() or ""
  return tracking.normalize(("&" .. query):match("&track=([%w-]+)") or "")
end

M.personal = personal

M.file_parents = {
  report = {
    can_read = function(ctx, id)
      return reading.find(ctx, id, shown_code(ctx)) ~= nil
    end,
    can_write = function(ctx, id)
      local report = reading.find(ctx, id)
      return report ~= nil and access.can_update(access.person(ctx), report)
    end,
  },
}

function M.start()
  extensions.register_section("escalations", escalation.list, escalation.exists)
end

return M
