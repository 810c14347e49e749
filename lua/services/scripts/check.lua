--- Whether files can be published: what the linter says of them, what the sandbox finds when it
-- loads them, and what they declare.

local errors = require("core.errors")
local json = require("core.json")
local utf8 = require("core.schema.text")
local declarations = require("services.scripts.declared")
local arguments = require("services.scripts.arguments")
local lint = require("services.scripts.lint")
local paths = require("services.scripts.paths")
local process = require("services.scripts.process")
local view = require("services.scripts.view")

local M = {}

local NOTHING = { hooks = json.array({}), problems = json.array({}) }
local MESSAGE_MAX = 500 -- bytes
local PLACE_MAX = 2 ^ 31
local PROBLEMS_MAX = 500 -- that are told

--- Whether one of these problems keeps files from being published.
function M.has_errors(problems)
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
  elseif a.column ~= b.column then
    return a.column < b.column
  end
  return a.message < b.message
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

local function rules_of(files)
  local rules = {}
  for _, file in ipairs(files) do
    rules[#rules + 1] = paths.is_rule(file.path) and file or nil
  end
  return rules
end

local function text_of(value)
  return utf8.cut(tostring(value or ""), MESSAGE_MAX)
end

local function place_of(value, default)
  return type(value) == "number" and value >= 0 and value <= PLACE_MAX and math.floor(value)
    or default
end

-- Adds what the sandbox found; where the linter has told of a mistake already, that is the better
-- message. A process may say anything: kept is what a problem has.
local function add(problems, found)
  local known = {}
  for _, problem in ipairs(problems) do
    local place = problem.file .. ":" .. problem.line
    known[place] = known[place] or problem.severity == "error"
  end
  for _, problem in ipairs(found) do
    local file, line = text_of(problem.file), place_of(problem.line, 0)
    if not known[file .. ":" .. line] then
      problems[#problems + 1] = { file = file, line = line, column = place_of(problem.column, 1),
        severity = problem.severity == "warning" and "warning" or "error",
        message = text_of(problem.message) }
    end
  end
end

-- What rules declare; what is wrong with them goes to `problems`.
local function load_rules(ctx, rules, problems)
  if #rules == 0 then
    return NOTHING
  end
  local declared, problem = process.declared(ctx.tenant.id, rules)
  if not declared and problem.code == "UNAVAILABLE" then
    errors.raise("SERVICE_UNAVAILABLE", "The process of the scripts cannot be reached right now")
  end
  add(problems, declared and declared.problems or { { file = problem.file or rules[1].path,
    line = problem.line or 1, message = problem.message } })
  if declared then
    add(problems, arguments.problems(ctx, rules))
  end
  add(problems, declarations.problems(declared and declared.hooks or {}))
  return declared or NOTHING
end

--- Checks files.
-- @param files {{path, content}, ...}
-- @return {ok, problems = {{file, line, column, severity, message}}, hooks = {{kind, name, file,
--   line}}, schedules, routes, transitions, declared = JSON text of what the release keeps}; ok
--   when no problem is an error. Raises 503 when there is no process to load them in
function M.run(ctx, files)
  local rules = rules_of(files)
  local problems = lint.run(ctx, rules)
  local declared = load_rules(ctx, rules, problems)
  local ok = not M.has_errors(problems)
  table.sort(problems, by_place)
  for i = #problems, PROBLEMS_MAX + 1, -1 do
    problems[i] = nil
  end
  return {
    ok = ok,
    problems = problems,
    hooks = view.hooks(declared.hooks),
    schedules = of_kind(declared.hooks, "every", function(hook)
      return { name = hook.name, cron = hook.cron, file = hook.file, line = hook.line }
    end),
    routes = of_kind(declared.hooks, "route", function(hook)
      return { method = hook.method, path = hook.path, file = hook.file, line = hook.line }
    end),
    transitions = of_kind(declared.hooks, "transition", function(hook)
      return { of = hook.of, from = hook.from, to = hook.to, file = hook.file, line = hook.line }
    end),
    declared = json.encode({ hooks = declared.hooks, problems = json.array({}) }),
  }
end

--- Checks the files of a draft that is to be published or tried. @return as run(); raises 422 with
-- all problems when it is not ok
function M.must_pass(ctx, files)
  local result = M.run(ctx, files)
  if not result.ok then
    errors.raise("CHECK_FAILED", "The draft does not check", { status = 422,
      details = result.problems })
  end
  return result
end

return M
