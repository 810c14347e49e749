--- Trying the draft, and how runs went.

local etag = require("core.etag")
local paging = require("core.paging")
local reply = require("core.reply")
local s = require("core.schema")
local answers = require("services.scripts.run_answers")
local trial = require("services.scripts.trial")
local view = require("services.scripts.runs_view")

local TESTS = "/api/v1/scripts/tests/"
local LAST_MAX = 1000

local WAYS = { "event", "eventId", "last" }

local TEST = s.object({
  event = s.object({
    event = s.string({ min = 1, max = 80 }),
    data = s.map({ max_bytes = 65536 }),
    resourceType = s.string({ min = 1, max = 40, optional = true }),
    resourceId = s.string({ min = 1, max = 64, optional = true }),
  }, { optional = true }),
  eventId = s.string({ format = "uuid", optional = true }),
  last = s.integer({ min = 1, max = LAST_MAX, optional = true,
    describe = "so many past events that the rules have to do with" }),
  compare = s.enum({ "active", optional = true }),
}, {
  check = function(value, problem, wrong)
    local given = 0
    for _, name in ipairs(WAYS) do
      given = given + ((value[name] ~= nil or wrong[name]) and 1 or 0)
    end
    if given ~= 1 then
      problem("event", "required", "one of event, eventId and last must be given")
    end
  end,
})

local LIST = paging.query_schema({ sorts = view.SORTS, filters = {
  file = s.list({ of = s.string({ min = 1, max = 64 }), optional = true }),
  status = view.STATUS,
  eventId = s.string({ format = "uuid", optional = true }),
} })

local ID = s.object({ id = s.string({ format = "uuid" }) })

local function detail(shown)
  return reply.ok(shown, { etag = etag.of_shown(shown) })
end

local function test(ctx, input)
  local answer, id = trial.run(ctx, input.body)
  if answer then
    return reply.ok(answer)
  end
  return reply.accepted(TESTS .. id, { id = id, state = "running" })
end

return {
  {
    method = "POST", path = "/scripts/test", permission = "scripts.write", body = TEST,
    summary = "Run the draft over past events, or one made up; nothing is written.",
    answers = { [200] = "what the draft would do", [202] = "takes longer: ask at Location",
      [404] = "no such event of the last 90 days",
      [422] = "the draft does not check" },
    returns = answers.trial,
    handler = test,
  },
  {
    method = "GET", path = "/scripts/tests/:id", permission = "scripts.read", params = ID,
    summary = "A dry run that took longer than its request.",
    returns = answers.trial_state, versioned = true,
    handler = function(ctx, input)
      return detail(trial.get(ctx, input.params.id))
    end,
  },
  {
    method = "GET", path = "/scripts/runs", permission = "scripts.read", query = LIST,
    summary = "How the runs of the scripts went, the newest first.",
    returns = s.array({ of = answers.run }),
    handler = function(ctx, input)
      local runs, meta = view.list(ctx, input.query)
      return reply.ok(runs, { meta = meta })
    end,
  },
  {
    method = "GET", path = "/scripts/runs/:id", permission = "scripts.read", params = ID,
    summary = "One run, with its log and what went wrong.",
    returns = answers.run, versioned = true,
    handler = function(ctx, input)
      return detail(view.get(ctx, input.params.id))
    end,
  },
  {
    method = "GET", path = "/scripts/stats", permission = "scripts.read",
    summary = "Figures of the runs of the last day, by hook.",
    returns = answers.stats,
    handler = function(ctx)
      return reply.ok(view.stats(ctx))
    end,
  },
}
