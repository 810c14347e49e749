--- What the sandbox cannot tell of what files declare: whether schedules mean anything, whether
-- routes tell each other apart, whether templates name what their messages say, whether steps
-- begin at a state that something can have.

local cron = require("core.cron")
local registry = require("core.registry")
local router = require("core.router")
local template_check = require("services.scripts.template_check")

local M = {}

local OPEN = { public = true, user = true }

-- Kind -> check(hook, problem(severity, message), routes of the hooks before, states that steps
-- lead to).
local CHECKS = {
  every = function(hook, problem)
    local _, wrong = cron.parse(hook.cron)
    if wrong then
      problem("error", ("every: '%s' %s"):format(hook.cron, wrong))
    end
  end,
  route = function(hook, problem, routes)
    if hook.permission and not OPEN[hook.permission]
      and not registry.permissions[hook.permission] then
      problem("error", ("route: there is no permission '%s'"):format(hook.permission))
    end
    if not pcall(routes.add, routes, hook.method, hook.path, hook) then
      problem("error", ("route: there is one like %s %s already"):format(hook.method, hook.path))
    end
  end,
  template = template_check.check,
  transition = function(hook, problem, _, reached)
    local entity = registry.script_entities[hook.of]
    if not entity.machine:has(hook.from) and not reached[hook.of .. " " .. hook.from] then
      problem("warning", ("transition: no %s is ever '%s'"):format(hook.of, hook.from))
    end
  end,
}

local function states_reached(hooks)
  local reached = {}
  for _, hook in ipairs(hooks) do
    if hook.kind == "transition" then
      reached[tostring(hook.of) .. " " .. tostring(hook.to)] = true
    end
  end
  return reached
end

--- The problems of hooks: {{file, line, column, severity, message}}.
function M.problems(hooks)
  local problems, routes, reached = {}, router.new(), states_reached(hooks)
  for _, hook in ipairs(hooks) do
    local function problem(severity, message)
      problems[#problems + 1] = { file = hook.file, line = hook.line, column = 1,
        severity = severity, message = message }
    end
    local check = CHECKS[hook.kind]
    -- A process may say anything: what is not as the prelude makes it raises.
    if check and not pcall(check, hook, problem, routes, reached) then
      problem("error", ("%s: this cannot be read"):format(hook.kind))
    end
  end
  return problems
end

return M
