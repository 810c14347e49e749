-- HTTP of work orders, teams and remediations.

local answers = require("plugins.workorders.answers")
local etag = require("core.etag")
local reply = require("core.reply")
local list = require("plugins.workorders.list")
local remediations = require("plugins.workorders.remediations")
local schema = require("plugins.workorders.schema")
local service = require("plugins.workorders.service")
local teams = require("plugins.workorders.teams")

local WORKORDERS = "/api/v1/workorders/"
local REMEDIATIONS = "/api/v1/remediations/"
-- Technicians have workorders.work; the service shows them what is theirs.
local READERS = { "workorders.read", "workorders.work" }

-- `held`: a rule does not let the work carry its report forward.
local function meta_of(held)
  return held and { reportHeld = held } or nil
end

local function answer(row, held)
  return reply.ok(row, { etag = etag.of(row.version, row), meta = meta_of(held) })
end

-- One step of the life of a work order, at /workorders/:id/<action>.
local function action(name, permission, summary)
  return {
    method = "PUT", path = "/workorders/:id/" .. name, permission = permission,
    params = schema.id, body = schema.BODIES[name], summary = summary,
    answers = { [409] = "not from this status; the allowed ones are in details" },
    returns = answers.order, meta = answers.moved_meta, versioned = true, ruled = true,
    handler = function(ctx, input)
      return answer(service.act(ctx, input.params.id, name, input.body,
        etag.wanted_versions(ctx)))
    end,
  }
end

local PHOTOS = { max = 10 }

return {
  {
    method = "POST", path = "/workorders", permission = "workorders.create",
    body = schema.create, summary = "Make a work order, from a report or free.",
    answers = { [201] = "made" }, returns = answers.order, meta = answers.moved_meta, ruled = true,
    handler = function(ctx, input)
      local order, held = service.create(ctx, input.body)
      return reply.created(WORKORDERS .. order.id, order, { meta = meta_of(held) })
    end,
  },
  {
    method = "GET", path = "/workorders", permission = READERS, query = list.query,
    check = list.check,
    summary = "List work orders; view=kanban groups them by status.",
    returns = answers.list,
    handler = function(ctx, input)
      local found, meta = list.find(ctx, input.query)
      return reply.ok(found, { meta = meta })
    end,
  },
  {
    method = "GET", path = "/workorders/:id", permission = READERS, params = schema.id,
    summary = "One work order with its attachments.",
    returns = answers.order, versioned = true,
    handler = function(ctx, input)
      return answer(service.get(ctx, input.params.id))
    end,
  },
  {
    method = "PUT", path = "/workorders/:id", permission = "workorders.update",
    params = schema.id, body = schema.update,
    summary = "Change a work order's words, place, priority or checklist.",
    answers = { [412] = "changed since it was read" },
    returns = answers.order, versioned = true, ruled = true,
    handler = function(ctx, input)
      return answer(service.update(ctx, input.params.id, input.body, etag.wanted_versions(ctx)))
    end,
  },
  {
    method = "DELETE", path = "/workorders/:id", permission = "workorders.delete",
    params = schema.id, summary = "Delete a work order.",
    returns = false, versioned = true,
    handler = function(ctx, input)
      service.delete(ctx, input.params.id, etag.wanted_versions(ctx))
      return reply.ok(nil)
    end,
  },
  {
    method = "GET", path = "/workorders/:id/history", permission = READERS, params = schema.id,
    summary = "Every step of a work order, oldest first.",
    returns = answers.history,
    handler = function(ctx, input)
      return reply.ok(service.get_history(ctx, input.params.id))
    end,
  },
  {
    method = "PUT", path = "/workorders/:id/assign", permission = "workorders.assign",
    params = schema.id, body = schema.assign, summary = "Give a work order to a person or a team.",
    answers = { [409] = "ASSIGN_RACE: somebody else was faster" },
    returns = answers.order, versioned = true, ruled = true,
    handler = function(ctx, input)
      return answer(service.assign(ctx, input.params.id, input.body, etag.wanted_versions(ctx)))
    end,
  },
  action("accept", "workorders.work", "Take on an assigned work order."),
  action("reject", "workorders.work", "Give an assigned work order back."),
  action("start", "workorders.work", "Begin the work."),
  action("hold", "workorders.work", "Interrupt the work."),
  action("resume", "workorders.work", "Go on where it was held."),
  action("complete", "workorders.work", "Say that the work is done."),
  action("verify", "workorders.update", "Confirm that it is done."),
  action("cancel", "workorders.update", "Give up a work order."),
  {
    method = "PUT", path = "/workorders/:id/status",
    permission = { "workorders.update", "workorders.work" }, params = schema.id,
    body = schema.status,
    summary = "Move a work order to another status, also one that the tenant's rules add.",
    answers = { [409] = "not from this status; the allowed ones are in details" },
    returns = answers.order, meta = answers.moved_meta, versioned = true, ruled = true,
    handler = function(ctx, input)
      return answer(service.set_status(ctx, input.params.id, input.body,
        etag.wanted_versions(ctx)))
    end,
  },
  {
    method = "GET", path = "/teams", permission = READERS, query = teams.query,
    summary = "The tenant's teams with their members.",
    returns = answers.teams,
    handler = function(ctx, input)
      local found, meta = teams.list(ctx, input.query)
      return reply.ok(found, { meta = meta })
    end,
  },
  {
    method = "POST", path = "/remediations", permission = "remediations.create",
    body = schema.remediate, summary = "Record what was done on a work order.",
    answers = { [201] = "recorded" }, returns = answers.remediation, ruled = true,
    handler = function(ctx, input)
      local made = remediations.create(ctx, input.body)
      return reply.created(REMEDIATIONS .. made.workOrderId, made)
    end,
  },
  {
    method = "GET", path = "/remediations/:workorderId", permission = "remediations.read",
    params = schema.of_order, summary = "What was done on a work order.",
    returns = answers.remediations,
    handler = function(ctx, input)
      return reply.ok(remediations.list(ctx, input.params.workorderId))
    end,
  },
  {
    method = "PUT", path = "/remediations/:id", permission = "remediations.update",
    params = schema.id, body = schema.update_remediation,
    summary = "Change a remediation: its performer, until the work is verified.",
    returns = answers.remediation, versioned = true,
    handler = function(ctx, input)
      return answer(remediations.update(ctx, input.params.id, input.body,
        etag.wanted_versions(ctx)))
    end,
  },
  {
    method = "POST", path = "/remediations/:id/photos", permission = "remediations.update",
    params = schema.id, summary = "Add pictures from before and after the work.",
    multipart = { before = PHOTOS, after = PHOTOS },
    answers = { [201] = "added" }, returns = answers.remediation,
    handler = function(ctx, input)
      local shown = remediations.add_photos(ctx, input.params.id, input.files)
      return reply.created(REMEDIATIONS .. shown.workOrderId, shown)
    end,
  },
}
