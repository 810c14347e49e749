--- What the calls on runs and tests answer, as the API's description tells it.

local s = require("core.schema")

local M = {}

local function number(describe)
  return s.number({ describe = describe })
end

local function failure()
  return s.object({
    code = s.string(),
    message = s.string(),
    file = s.string({ optional = true }),
    line = s.integer({ optional = true }),
    traceback = s.string({ optional = true }),
  }, { name = "ScriptError", optional = true, nullable = true })
end

local function texts()
  return s.array({ of = s.string() })
end

M.run = s.object({
  id = s.string({ format = "uuid" }),
  release = s.integer({ nullable = true, describe = "null in development" }),
  event = s.string({ nullable = true, describe = "the event, or the action of a before hook" }),
  eventId = s.string({ nullable = true }),
  file = s.string(),
  hook = s.string({ describe = "file:kind:name:n" }),
  status = s.enum({ "ok", "error", "limit", "rejected", "retrying", "dead" }),
  attempt = s.integer(),
  startedAt = s.string({ format = "date-time" }),
  cpuMs = number(),
  wallMs = number(),
  memoryBytes = s.integer(),
  calls = s.integer(),
  log = texts(),
  warnings = texts(),
  error = failure(),
}, { name = "ScriptRun" })

local function figures(fields)
  for _, name in ipairs({ "runs", "ok", "rejected", "limits", "errors", "calls" }) do
    fields[name] = s.integer()
  end
  return fields
end

M.stats = s.object({
  since = s.string({ format = "date-time" }),
  totals = s.object(figures({})),
  hooks = s.array({ of = s.object(figures({
    file = s.string(), hook = s.string(), cpuMs = number("mean"), cpuMsMax = number(),
    wallMs = number("mean"), memoryBytes = s.integer(),
    lastRunAt = s.string({ format = "date-time" }),
  })) }),
}, { name = "ScriptStats" })

local function decisions(optional)
  return s.array({ of = s.object({
    call = s.string({ describe = "a capability, or reject, or change" }),
    arguments = s.any(),
    file = s.string({ optional = true }),
    line = s.integer({ optional = true }),
  }, { name = "ScriptAction" }), optional = optional })
end

M.result = s.object({
  events = s.array({ of = s.object({
    eventId = s.string({ nullable = true }),
    event = s.string(),
    resourceId = s.string({ nullable = true }),
    actions = decisions(),
    log = texts(),
    error = failure(),
    cpuMs = number(),
    memoryBytes = s.integer(),
    calls = s.integer(),
  }) }),
  totals = s.object({ events = s.integer(), actions = s.integer(), errors = s.integer(),
    different = s.integer(), calls = s.integer(), cpuMs = number() }),
  difference = s.array({ of = s.object({
    eventId = s.string({ nullable = true }),
    active = decisions(),
    draft = decisions(),
    activeError = failure(),
    draftError = failure(),
  }), optional = true }),
}, { name = "ScriptTest" })

M.trial_state = s.object({
  id = s.string({ format = "uuid" }),
  state = s.enum({ "running", "done", "failed" }),
  createdAt = s.string({ format = "date-time" }),
  result = s.either({ M.result, optional = true, describe = "once it is done" }),
  error = s.object({ code = s.string(), message = s.string() }, { optional = true }),
}, { name = "ScriptTestState" })

M.trial = s.either({ M.result, s.object({ id = s.string({ format = "uuid" }),
  state = s.enum({ "running" }) }) })

return M
