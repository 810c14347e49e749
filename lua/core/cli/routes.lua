-- fixxit routes: what answers where.

local app = require("core.app")
local json = require("core.json")
local plugin = require("core.plugin")
local system_routes = require("core.system_routes")

local M = { summary = "List all routes with the permission each needs." }

function M.run(cx)
  local registry = plugin.load(system_routes)
  app.build()
  local list = json.array({})
  for _, route in ipairs(registry.routes) do
    list[#list + 1] = {
      method = route.method, path = route.base .. route.path, summary = route.summary,
      permission = table.concat(route.permissions, " or "), rate = route.rate,
      module = route.module,
    }
  end
  table.sort(list, function(a, b)
    return a.path < b.path or a.path == b.path and a.method < b.method
  end)
  if cx.json then
    cx.print_json(list)
    return
  end
  for _, route in ipairs(list) do
    cx.print(("%-7s %-48s %-24s %s"):format(route.method, route.path, route.permission,
      route.summary))
  end
end

return M
