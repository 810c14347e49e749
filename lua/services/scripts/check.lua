--- Whether files can be published: what the linter says of them, and what they declare.

local errors = require("core.errors")
local json = require("core.json")
local lint = require("services.scripts.lint")
local paths = require("services.scripts.paths")
local process = require("services.scripts.process")

local M = {}

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

-- What is not at a place of which the linter has spoken already.
local function add_new(problems, more)
  local places = {}
  for _, problem in ipairs(problems) do
    places[problem.file .. ":" .. problem.line] = true
  end
  for _, problem in ipairs(more) do
    if not places[problem.file .. ":" .. problem.line] then
      problems[#problems + 1] = problem
    end
  end
end

-- What the rules among the files declare, by loading them; problems go to `problems`.
local function declared_by(ctx, files, problems)
  local rules = {}
  for _, file in ipairs(files) do
    if paths.is_rule(file.path) then
      rules[#rules + 1] = file
    end
  end
  local declared, problem = process.declared(ctx.tenant.id, rules)
  if declared then
    add_new(problems, declared.problems)
    return declared
  elseif problem.code == "UNAVAILABLE" then
    errors.raise("SERVICE_UNAVAILABLE", problem.message)
  end
  add_new(problems, { { file = problem.file or rules[1].path, line = problem.line or 1, column = 1,
    severity = "error", message = problem.message } })
  return { hooks = json.array({}), problems = json.array({}) }
end

--- Checks files.
-- @param ctx whose tenant's process loads them
-- @param files {{path, content}, ...}
-- @return {ok, problems = {{file, line, column, severity, message}}, hooks = {{kind, name, file,
--   line}}, schedules, routes, transitions, declared = JSON text of what the release keeps}; ok
--   when no problem is an error
function M.run(ctx, files)
  local problems = lint.run(files)
  local declared = declared_by(ctx, files, problems)
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
