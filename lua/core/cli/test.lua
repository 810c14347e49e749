-- fixxit test: runs specs inside the host, on a database of their own.
--
-- The data folder is part of the configuration, which is settled before this runs: so the specs
-- run in a second process that is started on a fresh one.

local errors = require("core.errors")
local host_process = require("host.process")
local sys = require("core.sys")

local M = {
  summary = "Run the specs (all, or those of the paths given) on a fresh database.",
  usage = "[PATH ...] [options of busted]",
  raw_words = true,
}

local function temporary_folder()
  local name = os.tmpname() -- makes the file; the folder takes its place
  os.remove(name)
  return name
end

function M.run(cx)
  local folder = temporary_folder()
  local argv = { sys.executable(), "test-run" }
  for _, word in ipairs(cx.args) do
    argv[#argv + 1] = word
  end
  local process = errors.check(host_process.spawn({
    argv = argv, env = { FIXXIT_ENV = "test", FIXXIT_DATA = folder }, stdout = "inherit",
    stderr = "inherit",
  }))
  local code = process:wait()
  local removal = host_process.spawn({ argv = { "rm", "-rf", folder } })
  if removal then
    removal:wait()
  end
  return code or 1
end

return M
