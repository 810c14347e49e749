--- HTTP of the scripts, put together from its parts.

local PARTS = {
  "draft_routes", "release_routes", "run_routes", "secret_routes", "custom_routes",
  "migration_routes",
}

local routes = {}
for _, name in ipairs(PARTS) do
  for _, route in ipairs(require("services.scripts." .. name)) do
    routes[#routes + 1] = route
  end
end

return routes
