--- The linter: luacheck over rules, which knows exactly the names that an author has. It serves
-- authors, who may quiet it (`-- luacheck: ignore`): what a rule can reach is for the sandbox to
-- decide.

local json = require("core.json")
local child = require("services.scripts.child")
local names = require("services.scripts.names")
local paths = require("services.scripts.paths")

local M = {}

local PROBLEMS_MAX = 200
local CONFIG = "luacheckrc"

-- What ends a rule when it runs, so that it may not be published: what does not compile, and names
-- that there are not or that are not the author's to set. All else is a warning.
local ERRORS = { ["0"] = true, ["11"] = true, ["12"] = true, ["13"] = true, ["14"] = true }

-- Matters of taste: unused arguments, whitespace, long lines, the complexity of functions.
local IGNORED = { "21[23]", "6..", "561" }

local MESSAGES = {
  ["111"] = "make '%s' local: a rule has no globals of its own",
  ["112"] = "unknown name '%s'",
  ["113"] = "unknown name '%s'",
  ["121"] = "'%s' cannot be set: it belongs to the platform",
  ["122"] = "'%s' cannot be changed: it belongs to the platform",
}

local function quoted(list)
  local words = {}
  for i, word in ipairs(list) do
    words[i] = ("%q"):format(word)
  end
  return table.concat(words, ", ")
end

local function fields_of(known)
  local lines = {}
  for name, fields in pairs(known) do
    local inner = {}
    for _, field in ipairs(type(fields) == "table" and fields or {}) do
      inner[#inner + 1] = ("%s = {}"):format(field)
    end
    lines[#lines + 1] = type(fields) == "table"
      and ("%s = { other_fields = false, fields = { %s } }"):format(name, table.concat(inner, ", "))
      or ("%s = {}"):format(name)
  end
  table.sort(lines)
  return "{ " .. table.concat(lines, ", ") .. " }"
end

-- The linter's configuration: names of a rule; `on_error` is the one an author sets.
local function configuration(known)
  return ("stds.author = { read_globals = %s, globals = { \"on_error\" } }\n"
    .. "std = \"author\"\nignore = { %s }\nmax_line_length = false\n")
    :format(fields_of(known), quoted(IGNORED))
end

local function is_error(code)
  return ERRORS[code:sub(1, 1)] or ERRORS[code:sub(1, 2)] or false
end

-- "rules/a.lua:3:5-9: (W113) accessing undefined variable 'x'"
local function parse(line)
  local file, row, column, letter, code, message =
    line:match("^(%S+%.lua):(%d+):(%d+)%-?%d*: %((%u)(%d+)%) (.*)$")
  if not file then
    return nil
  end
  local own = MESSAGES[code]
  local name = own and message:match("'([^']+)'")
  return {
    file = file, line = tonumber(row), column = tonumber(column),
    severity = (letter == "E" or is_error(code)) and "error" or "warning",
    message = name and own:format(name) or message,
  }
end

--- The problems of files: array of {file, line, column, severity = "error" or "warning", message}.
-- Waits for a child process.
-- @param ctx whose tenant's they are
-- @param files {{path, content}, ...}; only rules are looked at
function M.run(ctx, files)
  local given, argv = { { path = CONFIG, content = configuration(names.all()) } }, {
    "luacheck", "--config", CONFIG, "--no-cache", "--codes", "--ranges", "--formatter", "plain",
    "--jobs", "1", "--" }
  for _, file in ipairs(files) do
    if paths.is_rule(file.path) then
      given[#given + 1] = file
      argv[#argv + 1] = file.path
    end
  end
  local problems = json.array({})
  if #given == 1 then
    return problems
  end
  local code, output = child.run(ctx, argv, given)
  if not code then
    return json.array({ { file = argv[#argv], line = 1, column = 1, severity = "error",
      message = "the files take too long to check" } })
  end
  for line in output:gmatch("[^\n]+") do
    problems[#problems + 1] = #problems < PROBLEMS_MAX and parse(line) or nil
  end
  if code > 2 or code > 0 and #problems == 0 then
    error(("luacheck ended with %d: %s"):format(code, output:sub(1, 500)), 0)
  end
  return problems
end

return M
