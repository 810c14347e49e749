--- The linter: luacheck over rules, which knows exactly the names that an author has. It serves
-- authors, who may quiet it (`-- luacheck: ignore`): what a rule can reach is for the sandbox to
-- decide.

local crypto = require("core.crypto")
local json = require("core.json")
local child = require("services.scripts.child")
local names = require("services.scripts.names")
local paths = require("services.scripts.paths")

local M = {}

local PROBLEMS_MAX = 50 -- of one file
local KEPT_MAX = 2000 -- files
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

local kept, kept_count = {}, 0 -- hash of path and content -> problems: most files stay as they are

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

-- What the linter says of these files, by path; nil when it takes too long. Waits for a child.
local function ask(ctx, files)
  local given, argv = { { path = CONFIG, content = configuration(names.all()) } }, {
    "luacheck", "--config", CONFIG, "--no-cache", "--codes", "--ranges", "--formatter", "plain",
    "--jobs", "1", "--" }
  local by_path = {}
  for _, file in ipairs(files) do
    given[#given + 1] = file
    argv[#argv + 1] = file.path
    by_path[file.path] = {}
  end
  local code, output = child.run(ctx, argv, given)
  if not code then
    return nil
  end
  local count = 0
  for line in output:gmatch("[^\n]+") do
    local problem = parse(line)
    local list = problem and by_path[problem.file]
    if list and #list < PROBLEMS_MAX then
      list[#list + 1], count = problem, count + 1
    end
  end
  if code > 2 or code > 0 and count == 0 then
    error(("luacheck ended with %d: %s"):format(code, output:sub(1, 500)), 0)
  end
  return by_path
end

local function key_of(file)
  return crypto.hash("sha256", file.path .. "\n" .. file.content)
end

local function keep(key, problems)
  if kept_count >= KEPT_MAX then
    kept, kept_count = {}, 0
  end
  kept_count = kept_count + (kept[key] and 0 or 1)
  kept[key] = problems
end

-- The problems of each file by its key: those that are known, and those of a new look.
local function look(ctx, files, keys)
  local found, missing = {}, {}
  for i, file in ipairs(files) do
    found[keys[i]] = kept[keys[i]]
    missing[#missing + 1] = not kept[keys[i]] and file or nil
  end
  local fresh = #missing > 0 and ask(ctx, missing) or nil
  if #missing > 0 and not fresh then
    return nil, missing[1]
  end
  for i, file in ipairs(files) do
    if not found[keys[i]] then
      found[keys[i]] = fresh[file.path]
      keep(keys[i], fresh[file.path])
    end
  end
  return found
end

--- The problems of files: array of {file, line, column, severity = "error" or "warning", message},
-- the first of each file. Waits for a child process, unless it has seen the same files before.
-- @param ctx whose tenant's they are
-- @param files {{path, content}, ...}; only rules are looked at
function M.run(ctx, files)
  local rules, keys, problems = {}, {}, json.array({})
  for _, file in ipairs(files) do
    if paths.is_rule(file.path) then
      rules[#rules + 1], keys[#keys + 1] = file, key_of(file)
    end
  end
  local found, late = look(ctx, rules, keys)
  if late then
    return json.array({ { file = late.path, line = 1, column = 1, severity = "error",
      message = "the files take too long to check" } })
  end
  for _, key in ipairs(keys) do
    for _, problem in ipairs(found[key]) do
      problems[#problems + 1] = problem
    end
  end
  return problems
end

return M
