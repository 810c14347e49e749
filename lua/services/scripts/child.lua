--- Programs that look at what a tenant wrote: each in a process of its own, beside the loop, with a
-- deadline, bounds on memory and CPU, nothing of our environment, and a folder that goes with it.

local config = require("core.config")
local errors = require("core.errors")
local fs = require("core.fs")
local process = require("core.process")
local turns = require("core.turns")
local uuid = require("core.uuid")

local M = {}

local DEADLINE_MS = 25000 -- they are nice, and others may be busy
local OUTPUT_MAX = 4194304
local AT_ONCE = 2 -- in a worker: checks are rare, and must not crowd out what serves people
local OF_TENANT = 6 -- that run or wait in a worker
local WAIT_MS = 20000 -- for one's turn
local SIGNALLED = 128 -- codes above it: ended by a signal, told by those in between
local BOUNDS = { "prlimit", "--cpu=15", "--as=1073741824", "--fsize=" .. OUTPUT_MAX, "env", "-i",
  "PATH=/usr/bin:/bin", "LC_ALL=C", "nice", "-n", "10" }

local asked = {} -- tenant id -> how many of its programs run or wait here

local function refuse()
  errors.raise("SERVICE_UNAVAILABLE", "Too many scripts are looked at right now",
    { headers = { ["Retry-After"] = "10" } })
end

local function enter(tenant_id)
  local count = asked[tenant_id] or 0
  if count >= OF_TENANT then
    refuse()
  end
  asked[tenant_id] = count + 1
end

local function leave(tenant_id)
  asked[tenant_id] = asked[tenant_id] > 1 and asked[tenant_id] - 1 or nil
end

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

-- The program in a folder of its own.
local function run_in_folder(argv, files)
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

local function run_in_turn(argv, files)
  local came, code, output = turns.run("programs", AT_ONCE, WAIT_MS, run_in_folder, argv, files)
  if not came then
    refuse()
  end
  return code, output
end

--- Runs a program in a new folder with these files. Waits.
-- @param ctx whose tenant's files they are: no tenant has more than a few turns
-- @param argv its words; it is searched in PATH
-- @param files {{path, content}, ...}; paths are relative and checked already
-- @return exit code, output; nil when it was too much for the bounds; raises 503 when others do not
--   make room
function M.run(ctx, argv, files)
  enter(ctx.tenant.id)
  local ok, code, output = pcall(run_in_turn, argv, files)
  leave(ctx.tenant.id)
  if not ok then
    error(code, 0)
  end
  return code, output
end

return M
