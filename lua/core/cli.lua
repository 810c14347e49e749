-- The command line. A command is a module lua/core/cli/<name>.lua, or an entry of a service's or
-- plugin's commands.lua, of this shape:
--
--   { summary = "One line.", usage = "[NAME]", options = { { "--dry-run", "only tell" },
--     { "--count N", "how many" } }, run = function(cx) return exit_code end }
--
-- cx = { args = words that are no options, options = {dry_run = true, count = "3"}, json = bool }
-- with cx.print(text) and cx.print_json(value). A nil exit code is 0; 2 is a mistake in the words.

local config = require("core.config")
local errors = require("core.errors")
local json = require("core.json")
local plugin = require("core.plugin")
local sys = require("core.sys")

local M = {}

local USAGE_ERROR = 2

-- In the order of the help. `native` ones are answered by the host before Lua is asked.
local COMMANDS = {
  "dev", "serve", "migrate", "seed", "reload", "status", "routes", "shell", "test", "doctor",
  "version", "help",
}

local NATIVE = {
  serve = { summary = "Run the server." },
  reload = {
    summary = "Have the running server load changed code and configuration; exits 1 and tells why "
      .. "when it does not take them.",
  },
  status = { summary = "Show the running server's processes." },
}

local HIDDEN = { ["test-run"] = true }

local GLOBAL_OPTIONS = {
  { "--port N", "port to listen on (PORT)" },
  { "--data FOLDER", "data folder (FIXXIT_DATA, default var)" },
  { "--env NAME", "development, test or production (FIXXIT_ENV)" },
  { "--address IP", "address to listen on" },
  { "--workers N", "HTTP workers, 0 for one per core" },
  { "--json", "answer in JSON" },
  { "--help", "explain the command" },
}

local function commands_of_modules()
  local found = {}
  for _, module in ipairs(plugin.manifests()) do
    if module.files["commands.lua"] then
      for name, command in pairs(require(module.prefix .. ".commands")) do
        found[name] = command
      end
    end
  end
  return found
end

local function is_core(name)
  for _, known in ipairs(COMMANDS) do
    if known == name then
      return true
    end
  end
  return HIDDEN[name] or false
end

local function find_command(name)
  if NATIVE[name] then
    return NATIVE[name]
  elseif is_core(name) then
    return require("core.cli." .. name:gsub("-", "_"))
  end
  return commands_of_modules()[name]
end

local function print_line(text)
  sys.print(text .. "\n")
end

local function overview()
  local lines = { "fixxit COMMAND [options]", "" }
  local function add(name, summary)
    lines[#lines + 1] = ("  %-10s %s"):format(name, summary)
  end
  for _, name in ipairs(COMMANDS) do
    add(name, find_command(name).summary)
  end
  local others = commands_of_modules()
  local names = {}
  for name in pairs(others) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    add(name, others[name].summary)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "fixxit COMMAND --help explains one."
  return table.concat(lines, "\n")
end

local function option_lines(options)
  local lines = {}
  for _, option in ipairs(options) do
    lines[#lines + 1] = ("  %-16s %s"):format(option[1], option[2])
  end
  return lines
end

--- The help of a command, or of all when it is nil or unknown.
function M.help(name)
  local command = name and find_command(name)
  if not command then
    return overview()
  end
  local lines = { "fixxit " .. name .. (command.usage and " " .. command.usage or ""), "",
    command.summary, "" }
  for _, line in ipairs(option_lines(command.options or {})) do
    lines[#lines + 1] = line
  end
  for _, line in ipairs(option_lines(GLOBAL_OPTIONS)) do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

-- "--dry-run" -> "dry_run"; whether it takes a value.
local function known_options(command)
  local known = {}
  for _, list in ipairs({ command.options or {}, GLOBAL_OPTIONS }) do
    for _, option in ipairs(list) do
      local flag, value = option[1]:match("^(%S+)%s*(%S*)")
      known[flag] = { name = flag:gsub("^%-%-", ""):gsub("-", "_"), takes_value = value ~= "" }
    end
  end
  return known
end

--- Reads the words behind a command.
-- @return positional words, options; or nil and what is wrong
function M.parse(command, words)
  local known = known_options(command)
  local args, options = {}, {}
  local i = 1
  while i <= #words do
    local word = words[i]
    local flag, value = word:match("^(%-%-[^=]+)=?(.*)$")
    if not flag then
      args[#args + 1] = word
    else
      local option = known[flag]
      if not option then
        return nil, "there is no option " .. flag
      elseif not option.takes_value then
        options[option.name] = true
      elseif word:find("=", 1, true) then
        options[option.name] = value
      else
        i = i + 1
        if not words[i] then
          return nil, flag .. " needs a value"
        end
        options[option.name] = words[i]
      end
    end
    i = i + 1
  end
  return args, options
end

local function complain(text)
  sys.print_error("fixxit: " .. text .. "\n")
end

-- The private database of a server is found by its data folder: mostly, that is another one.
local function hint_at_data_folder(values)
  if values.db.socket:find(values.server.data, 1, true) == 1 then
    complain(("does the server run, and is %s its data folder? Else say --data or FIXXIT_DATA")
      :format(values.server.data))
  end
end

local function run(name, command, words)
  local args, options
  if command.raw_words then
    args, options = words, { help = words[1] == "--help" }
  else
    args, options = M.parse(command, words)
    if not args then
      complain(options .. "; see fixxit " .. name .. " --help")
      return USAGE_ERROR
    end
  end
  if options.help then
    print_line(M.help(name))
    return 0
  end
  local cx = { args = args, options = options, json = options.json == true, print = print_line }
  function cx.print_json(value)
    print_line(json.encode(value, { sorted = true }))
  end
  local ok, result = xpcall(command.run, function(value)
    return type(value) == "string" and value or errors.capture(value)
  end, cx)
  if ok then
    return result or 0
  end
  complain(tostring(result))
  if errors.is(result, "SERVICE_UNAVAILABLE") then
    hint_at_data_folder(config.get())
  end
  if type(result) == "table" and result.traceback then
    complain(result.traceback)
  end
  return 1
end

--- Called by the host in a task. @return the exit code as text
function M.main()
  local argv = sys.argv()
  local name = argv[1] or "help"
  if name == "--help" or name == "-h" then
    name = "help"
  end
  local command = find_command(name)
  if not command then
    complain("there is no command '" .. name .. "'")
    sys.print_error(overview() .. "\n")
    return tostring(USAGE_ERROR)
  end
  local words = {}
  for i = 2, #argv do
    words[#words + 1] = argv[i]
  end
  if NATIVE[name] then
    print_line(M.help(name))
    return "0"
  end
  return tostring(run(name, command, words))
end

return M
