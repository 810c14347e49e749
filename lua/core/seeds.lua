-- The demo world: every service's and plugin's seed.lua in load order. Seeds are idempotent.

local config = require("core.config")
local context = require("core.context")
local errors = require("core.errors")
local fs = require("core.fs")
local host = require("host.process")
local plugin = require("core.plugin")
local sys = require("core.sys")
local system_routes = require("core.system_routes")
local task = require("core.task")

local M = {}

local START_MS, STEP_MS, END_MS = 5000, 20, 5000

-- Seeds make pictures, and pictures need the image process; a server that runs has one already.
local function start_images()
  local socket = config.get().image.socket
  if fs.stat(socket) and fs.stat(config.get().server.data .. "/run/ready") then
    return nil
  end
  local argv = sys.argv()
  local words = { sys.executable(), "image-process" }
  for i = 2, #argv do
    words[#words + 1] = argv[i]
  end
  local process = errors.check(host.spawn({
    argv = words, env = { FIXXIT_ENV = config.get().env }, stderr = "inherit", new_group = true,
  }))
  for _ = 1, START_MS / STEP_MS do
    if fs.stat(socket) then
      break
    end
    task.sleep(STEP_MS)
  end
  return process
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
  local images = start_images()
  local ok, err = xpcall(function()
    for _, module in ipairs(registry.modules) do
      if module.files["seed.lua"] then
        print("seed " .. module.name)
        require(module.prefix .. ".seed").run(context.system({ name = "seed" }), print)
      end
    end
  end, errors.capture)
  if images then
    images:kill("TERM")
    images:wait(END_MS)
  end
  if not ok then
    error(err, 0)
  end
end

return M
