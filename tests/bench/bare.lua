--- The floor of the database: the statements of one request in a loop, by bare.c.
local processes = require("tests.bench.processes")

local M = { name = "bare", label = "libmariadb in a loop" }

-- What stands in the place of a value, by what stands before it; a report's id else.
local function value_after(text, person)
  local known = {
    { "user_id = $", person.user_id }, { "tenant_id = $", person.tenant_id },
    { "parent_type = $", "report" }, { "LIMIT $", 21 }, { "OFFSET $", 0 },
  }
  for _, entry in ipairs(known) do
    if text:find(entry[1]) then
      return type(entry[2]) == "number" and tostring(entry[2]) or "'" .. entry[2] .. "'"
    end
  end
  return "'" .. person.reports[1].id .. "'"
end

local function with_values(statement, person)
  local text = ""
  for part, mark in (statement .. "\0"):gmatch("([^?%z]*)([?%z])") do
    text = text .. part
    if mark == "?" then
      text = text .. value_after(text, person)
    end
  end
  return text
end

--- Runs the statements again and again.
-- @param statements of one request, as they stand in the log
-- @param options world, database, seconds
-- @return figures as measure.run gives them
function M.run(statements, options)
  local world, lines = options.world, {}
  for i, statement in ipairs(statements) do
    lines[i] = with_values(statement, world.seeds[options.database].people[1])
  end
  local path = world.data .. "/bare"
  processes.write(path, table.concat(lines, "\n"))
  local text = processes.shell(("%s/bare %s %s %s %d"):format(world.options.tools,
    world.db_socket, options.database, path, options.seconds))
  local figures = {}
  for name, value in text:gmatch("([%w_]+)=([%d.]+)") do
    figures[name] = tonumber(value)
  end
  figures.rate = figures.requests / figures.seconds
  return figures
end

return M
