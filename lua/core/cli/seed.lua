-- fixxit seed: the demo world, for development and tests.

local config = require("core.config")
local seeds = require("core.seeds")

local M = { summary = "Put the demo world into the database (not in production)." }

function M.run(cx)
  if config.get().env == "production" then
    error("the demo world has no place in production", 0)
  end
  seeds.run(cx.print)
end

return M
