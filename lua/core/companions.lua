-- Processes that a command needs beside itself, and that a server which runs on the same data
-- folder has already: the image process, the zygote of scripts. They die with the command.

local config = require("core.config")
local errors = require("core.errors")
local fs = require("core.fs")
local host_process = require("host.process")
local sys = require("core.sys")
local task = require("core.task")

local M = {}

local START_MS, STEP_MS, END_MS = 5000, 20, 5000

-- The command that runs each of them, and the section of the configuration with its socket.
local KINDS = {
  images = { command = "image-process", section = "image" },
  scripts = { command = "zygote", section = "sandbox" },
}

--- Starts what is needed and not there, and waits until it listens.
-- @param kind "images" or "scripts"
-- @param words options for its configuration, as in our own command line
-- @return what stop() takes
function M.start(kind, words)
  local settings = config.get()
  local socket = settings[KINDS[kind].section].socket
  if fs.stat(socket) and fs.stat(settings.server.data .. "/run/ready") then
    return nil
  end
  local argv = { sys.executable(), KINDS[kind].command }
  for _, word in ipairs(words or {}) do
    argv[#argv + 1] = word
  end
  errors.check(fs.mkdir((socket:gsub("/[^/]*$", ""))))
  fs.unlink(socket) -- of one that was killed
  local process = errors.check(host_process.spawn({
    argv = argv, env = { FIXXIT_ENV = settings.env, FIXXIT_DATA = settings.server.data },
    stderr = "inherit", new_group = true,
  }))
  for _ = 1, START_MS / STEP_MS do
    if fs.stat(socket) then
      break
    end
    task.sleep(STEP_MS)
  end
  return process
end

--- Ends what start() gave; nil is fine.
function M.stop(process)
  if process then
    process:kill("TERM")
    process:wait(END_MS)
  end
end

return M
