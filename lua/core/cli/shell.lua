-- fixxit shell: Lua in the application, for operators. What is typed may do anything, as the
-- platform itself; what it changes by the services leaves the usual audit trail.
--
-- The loop stands still while a line is awaited: nothing else runs in this process.

local app = require("core.app")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local plugin = require("core.plugin")
local sys = require("core.sys")
local system_routes = require("core.system_routes")

local M = {
  summary = "Run Lua in the application, line by line from the terminal or a pipe.",
  usage = "[--tenant ID]",
  options = { { "--tenant ID", "the tenant that ctx acts for, and to whose rows query is bound" } },
}

local PROMPT, GOES_ON = "> ", ">> "
local BANNER = [[
An expression is shown, a statement is run; what is set without `local` stays.
  ctx              a context that may do everything
  query(sql, ...)  rows of the database, ? for each parameter
  require(name)    any module of the application
Ctrl-D ends it.]]

local function new_environment(cx)
  local tenant_id = cx.options.tenant
  local ctx = context.system({ name = "shell", tenant = tenant_id and { id = tenant_id } })
  local scope = tenant_id and db.scope or db.platform
  return setmetatable({
    ctx = ctx,
    query = function(sql, ...)
      local rows = scope(ctx):query(sql, ...)
      if #rows > 0 then -- a list, and nothing else: so it is shown as one
        rows.affected, rows.insert_id = nil, nil
      end
      return rows
    end,
    -- Lua's own is buffered: it would come after what is shown.
    print = function(...)
      local words = { ... }
      for i = 1, select("#", ...) do
        words[i] = tostring(words[i])
      end
      cx.print(table.concat(words, "\t"))
    end,
  }, { __index = _G })
end

-- @return a function; or nil, what is wrong and whether more lines would help
local function compile(text)
  local fn = loadstring("return " .. text, "=shell")
  if fn then
    return fn
  end
  local problem
  fn, problem = loadstring(text, "=shell")
  return fn, problem, not fn and problem:find("'<eof>'", 1, true) ~= nil
end

local function shown(value)
  if type(value) == "table" then
    local ok, text = pcall(json.encode, value, { sorted = true })
    return ok and text or tostring(value)
  end
  return tostring(value)
end

local function show(print, ok, ...)
  if not ok then
    local err = ...
    sys.print_error(("%s\n"):format(errors.is(err) and ("%s: %s%s"):format(err.code, err.message,
      err.cause and " (" .. tostring(err.cause) .. ")" or "") or tostring(err)))
    return false
  end
  for i = 1, select("#", ...) do
    print(shown((select(i, ...))))
  end
  return true
end

-- What belongs together, compiled. @return nil at the end of the input
local function next_chunk(is_terminal)
  local text
  repeat
    if is_terminal then
      sys.print(text and GOES_ON or PROMPT)
    end
    local line = io.read("*l")
    if not line and not text then
      return nil
    end
    text = line and (text and text .. "\n" .. line or line) or text
    local fn, problem, goes_on = compile(text)
    if not goes_on or not line then
      return fn or function()
        error(problem, 0)
      end
    end
  until false
end

function M.run(cx)
  plugin.load(system_routes)
  app.build()
  local is_terminal = os.execute("test -t 0") == 0
  local environment = new_environment(cx)
  if is_terminal then
    cx.print(BANNER)
  end
  for chunk in next_chunk, is_terminal do
    local well = show(cx.print, pcall(setfenv(chunk, environment)))
    if not well and not is_terminal then
      return 1
    end
  end
end

return M
