--- Programs that look at what a tenant wrote: each in a process of its own, beside the loop, with a
-- deadline, bounds on memory and CPU, nothing of our environment, and a folder that goes with it.

local config = require("core.config")
local errors = require("core.errors")
local fs = require("core.fs")
local process = require("core.process")
local uuid = require("core.uuid")

local M = {}

local DEADLINE_MS = 10000
local OUTPUT_MAX = 4194304
local SIGNALLED = 128 -- codes above it: ended by a signal, told by those in between
local BOUNDS = { "prlimit", "--cpu=8", "--as=1073741824", "--fsize=" .. OUTPUT_MAX, "env", "-i",
  "PATH=/usr/bin:/bin", "LC_ALL=C", "nice", "-n", "10" }

-- Runs a program to its end. @return exit code; nil when a bound ended it
local function run(argv, folder, output)
  local child = errors.check(process.spawn({ argv = argv, cwd = folder, stdout = output,
    stderr = output }))
  local code, signal = child:wait(DEADLINE_MS)
  if not code then
    child:kill("KILL")
    child:wait()
  end
  return code and code <= SIGNALLED and type(signal) ~= "number" and code or nil
end

local function write(folder, files)
  local made = {}
  for _, file in ipairs(files) do
    local path = folder .. "/" .. file.path
    local parent = path:match("^(.*)/")
    if not made[parent] then
      made[parent] = true
      errors.check(fs.mkdir(parent))
    end
    errors.check(fs.append(path, file.content))
  end
end

--- Runs a program in a new folder with these files. Waits.
-- @param argv its words; it is searched in PATH
-- @param files {{path, content}, ...}; paths are relative and checked already
-- @return exit code, output; nil when it was too much for the bounds
function M.run(argv, files)
  local folder = ("%s/tmp/%s"):format(config.get().server.data, uuid.v7())
  local words = {}
  for _, list in ipairs({ BOUNDS, argv }) do
    for _, word in ipairs(list) do
      words[#words + 1] = word
    end
  end
  local ok, code, output = pcall(function()
    errors.check(fs.mkdir(folder .. "/in"))
    write(folder .. "/in", files)
    local ended = run(words, folder .. "/in", folder .. "/out")
    return ended, ended and errors.check(fs.read(folder .. "/out", OUTPUT_MAX))
  end)
  run({ "rm", "-rf", "--", folder }, nil, nil)
  if not ok then
    error(code, 0)
  end
  return code, output
end

return M
