-- The capabilities: each is a call to the worker, which checks the arguments and does the work.
local sandbox = ...

-- Arguments by position, as the worker knows them: by name.
local function named(name, parameters, ...)
  local count = select("#", ...)
  if count > #parameters then
    sandbox.fail("SCRIPT_ERROR", ("%s takes %d arguments, not %d"):format(name, #parameters, count))
  end
  local arguments = {}
  for i = 1, count do
    arguments[parameters[i]] = (select(i, ...))
  end
  return arguments
end

local function single(name, ...)
  local arguments = ...
  if select("#", ...) > 1 or arguments ~= nil and type(arguments) ~= "table" then
    sandbox.fail("SCRIPT_ERROR", name .. " takes one table of named arguments")
  end
  return arguments or {}
end

local function caller(name, parameters)
  return function(...)
    if not sandbox.state() then
      sandbox.fail("SCRIPT_ERROR", name .. " works while a hook runs, not at the top of a file")
    end
    local arguments = parameters and named(name, parameters, ...) or single(name, ...)
    return sandbox.call(name, arguments)
  end
end

local groups = sandbox.groups -- with what needs nobody
for _, entry in ipairs(sandbox.catalogue.capabilities) do
  local group, name = entry.name:match("^([^.]+)%.(.+)$")
  if group then
    groups[group] = groups[group] or {}
    groups[group][name] = caller(entry.name, entry.parameters)
  else
    sandbox.define(entry.name, caller(entry.name, entry.parameters))
  end
end
for name, group in pairs(groups) do
  sandbox.define(name, group)
end
