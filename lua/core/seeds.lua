-- The demo world: every service's and plugin's seed.lua in load order. Seeds are idempotent.

local companions = require("core.companions")
local config = require("core.config")
local context = require("core.context")
local errors = require("core.errors")
local fs = require("core.fs")
local plugin = require("core.plugin")
local sys = require("core.sys")
local system_routes = require("core.system_routes")

local M = {}

-- What our own command line says about the configuration.
local function options()
  local words, argv = {}, sys.argv()
  for i = 2, #argv do
    words[#words + 1] = argv[i]
  end
  return words
end

local function make_folders()
  for _, name in ipairs({ "run", "tmp", "files", "cache", "log" }) do
    errors.check(fs.mkdir(config.get().server.data .. "/" .. name))
  end
end

--- Runs all seeds.
-- @param print called with a line of text per seed
function M.run(print)
  local registry = plugin.load(system_routes)
  make_folders()
  local images = companions.start("images", options()) -- seeds make pictures
  local ok, err = xpcall(function()
    for _, module in ipairs(registry.modules) do
      if module.files["seed.lua"] then
        print("seed " .. module.name)
        require(module.prefix .. ".seed").run(context.system({ name = "seed" }), print)
      end
    end
  end, errors.capture)
  companions.stop(images)
  if not ok then
    error(err, 0)
  end
end

return M
