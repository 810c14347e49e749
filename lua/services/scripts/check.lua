--- Whether files can be published: what the linter says of them, and what they declare.

local json = require("core.json")
local lint = require("services.scripts.lint")

local M = {}

local DECLARED_NOTHING = { hooks = json.array({}), problems = json.array({}) }

local function has_errors(problems)
  for _, problem in ipairs(problems) do
    if problem.severity == "error" then
      return true
    end
  end
  return false
end

local function by_place(a, b)
  if a.file ~= b.file then
    return a.file < b.file
  elseif a.line ~= b.line then
    return a.line < b.line
  end
  return a.column < b.column
end

local function of_kind(hooks, kind, show)
  local list = json.array({})
  for _, hook in ipairs(hooks) do
    if hook.kind == kind then
      list[#list + 1] = show(hook)
    end
  end
  return list
end

--- Checks files.
-- @param files {{path, content}, ...}
-- @return {ok, problems = {{file, line, column, severity, message}}, hooks = {{kind, name, file,
--   line}}, schedules, routes, transitions, declared = JSON text of what the release keeps}; ok
--   when no problem is an error
function M.run(_, files)
  local problems, declared = lint.run(files), DECLARED_NOTHING
  table.sort(problems, by_place)
  local hooks = json.array({})
  for i, hook in ipairs(declared.hooks) do
    hooks[i] = { kind = hook.kind, name = hook.name, file = hook.file, line = hook.line }
  end
  return {
    ok = not has_errors(problems),
    problems = problems,
    hooks = hooks,
    schedules = of_kind(declared.hooks, "every", function(hook)
      return { name = hook.name, cron = hook.cron, file = hook.file, line = hook.line }
    end),
    routes = of_kind(declared.hooks, "route", function(hook)
      return { method = hook.method, path = hook.path, file = hook.file, line = hook.line }
    end),
    transitions = of_kind(declared.hooks, "transition", function(hook)
      return { of = hook.of, from = hook.from, to = hook.to, file = hook.file, line = hook.line }
    end),
    declared = json.encode(declared),
  }
end

return M
