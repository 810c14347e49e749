--- Commands on the queue: `fixxit jobs` and `fixxit jobs retry`.

local context = require("core.context")
local jobs = require("services.jobs")

local STATES = { "waiting", "running", "done", "dead" }

local command = {
  summary = "Count the jobs by state; retry: give the dead ones another try.",
  usage = "[retry [ID]]",
}

function command.run(cx)
  local ctx = context.system({ name = "command" })
  if cx.args[1] == "retry" then
    local revived = jobs.revive(ctx, cx.args[2])
    cx.print(revived .. (revived == 1 and " job" or " jobs") .. " will run again")
    return 0
  end
  local counts = jobs.counts(ctx)
  if cx.json then
    cx.print_json(counts)
    return 0
  end
  for _, state in ipairs(STATES) do
    cx.print(("%-8s %d"):format(state, counts[state]))
  end
end

return { jobs = command }
