--- HTTP of moving open work to the states of the active release.

local reply = require("core.reply")
local s = require("core.schema")
local migration = require("services.scripts.migration")

local STATES_MAX_BYTES = 8192

local function count(describe)
  return s.integer({ min = 0, describe = describe })
end

local REQUEST = s.object({
  of = s.enum({ "report", "workorder" }),
  states = s.map({ optional = true, max_bytes = STATES_MAX_BYTES,
    describe = "a state that the active release does not know, and the one to go to instead" }),
  dryRun = s.boolean({ default = true, describe = "whether it is only told what would happen" }),
}, {
  check = function(value, problem)
    for from, to in pairs(type(value.states) == "table" and value.states or {}) do
      if type(to) ~= "string" then
        problem("states." .. tostring(from), "type", "must be text")
      end
    end
  end,
})

local ANSWER = s.object({
  release = s.integer({ describe = "the active one" }),
  dryRun = s.boolean(),
  kept = count("how many keep their status and go by the release's moves from now on"),
  moved = count("how many get another status"),
  blocked = s.array({ of = s.object({ status = s.string(), count = count() }),
    describe = "what stays with its release: the active one does not know its status" }),
  remaining = count("how many are left to another call"),
}, { name = "ScriptMigration" })

return {
  { method = "POST", path = "/scripts/migrate", summary = "Move what was opened under earlier "
      .. "releases to the states of the active one; a dry run unless dryRun is false.",
    permission = "scripts.publish", body = REQUEST, returns = ANSWER,
    answers = { [200] = "what happened, or would", [409] = "nothing is active, or a canary runs" },
    handler = function(ctx, input)
      return reply.ok(migration.run(ctx, input.body))
    end },
}
