--- What the calls on drafts, releases and secrets take and answer.

local paging = require("core.paging")
local s = require("core.schema")
local releases = require("services.scripts.releases")

local M = {}

local MESSAGE_MAX, REASON_MAX = 500, 500
local CANARY_MIN, CANARY_MAX = 1, 99

M.content = s.object({ content = s.string() })
M.publication = s.object({
  message = s.string({ min = 1, max = MESSAGE_MAX, trim = true }),
  canary = s.integer({ min = CANARY_MIN, max = CANARY_MAX, optional = true,
    describe = "for so many percent of the reports and work orders, always the same ones" }),
})
M.rollback = s.object({
  release = s.integer({ min = 1 }),
  force = s.boolean({ default = false,
    describe = "run it also if it was taken back as a canary, since its runs failed" }),
})
M.reason = s.object({ reason = s.string({ max = REASON_MAX, trim = true, optional = true }) })
M.secret = s.object({ value = s.string({ min = 1 }) })
M.list = paging.query_schema({ sorts = releases.SORTS })
M.nothing = s.object({})
M.diff = s.object({ from = s.integer({ min = 1, optional = true,
  describe = "the release to compare with; without it the one before" }) })

local function time()
  return s.string({ format = "date-time" })
end

local function person()
  return s.object({ id = s.string({ format = "uuid" }), name = s.string() },
    { nullable = true, describe = "null for a command" })
end

local function place(more)
  local fields = { file = s.string(), line = s.integer() }
  for name, schema in pairs(more) do
    fields[name] = schema
  end
  return s.object(fields)
end

local PROBLEM = s.object({
  file = s.string(), line = s.integer(), column = s.integer(),
  severity = s.enum({ "error", "warning" }), message = s.string(),
}, { name = "ScriptProblem" })

local function hooks()
  return s.array({ of = place({ kind = s.string(), name = s.string() }) })
end

--- What a check finds.
M.CHECK = s.object({
  ok = s.boolean({ describe = "whether it can be published" }),
  problems = s.array({ of = PROBLEM }),
  hooks = hooks(),
  schedules = s.array({ of = place({ name = s.string(), cron = s.string() }) }),
  routes = s.array({ of = place({ method = s.string(), path = s.string() }) }),
  transitions = s.array({ of = place({ of = s.string(), from = s.string(), to = s.string() }) }),
}, { name = "ScriptCheck" })

--- A file of the draft.
M.FILE = s.object({ path = s.string(), content = s.string(), updatedAt = time(),
  updatedBy = person() }, { name = "ScriptFile" })

--- The same, only the text.
M.TEXT = s.string()

--- A release's number in a path.
M.release = s.object({ release = s.integer({ min = 1 }) })

local function release(more)
  local fields = {
    release = s.integer({ nullable = true, describe = "its number; null for that of development" }),
    message = s.string(),
    author = person(),
    createdAt = time(),
    state = s.enum({ "active", "canary", "retired", "withdrawn" }),
    canary = s.integer({ nullable = true, describe = "percent" }),
    withdrawn = s.string({ nullable = true, describe = "why it was taken back by itself" }),
  }
  for name, schema in pairs(more) do
    fields[name] = schema
  end
  return fields
end

--- A release.
M.RELEASE = s.object(release({}), { name = "ScriptRelease" })

--- A page of releases.
M.RELEASES = s.array({ of = M.RELEASE })

--- A release with what is in it.
M.RELEASE_DETAIL = s.object(release({
  files = s.array({ of = s.object({ path = s.string(),
    size = s.integer({ describe = "bytes" }) }) }),
  hooks = hooks(),
}), { name = "ScriptReleaseDetail" })

local function maybe_release()
  return s.object(M.RELEASE.fields, { nullable = true })
end

--- Everything at a glance.
M.OVERVIEW = s.object({
  draft = s.object({
    version = s.integer(),
    files = s.array({ of = s.object({ path = s.string(), size = s.integer(), updatedAt = time(),
      updatedBy = person() }) }),
  }),
  active = maybe_release(),
  canary = maybe_release(),
  disabled = s.array({ of = s.object({ path = s.string(),
    handler = s.string({ nullable = true, describe = "one handler of the file; null is all" }),
    reason = s.string(), disabledAt = time(), disabledBy = person() }) }),
  secrets = s.array({ of = s.object({ name = s.string(), updatedAt = time(),
    updatedBy = person() }) }),
}, { name = "ScriptOverview" })

--- What differs between two releases.
M.DIFF = s.object({ files = s.array({ of = s.object({ path = s.string(),
  change = s.enum({ "added", "changed", "removed" }),
  diff = s.string({ describe = "unified" }) }) }) })

--- A switch.
M.SWITCH = s.object({ path = s.string(), enabled = s.boolean() })

--- A secret's name.
M.SECRET = s.object({ name = s.string() })

return M
