--- A tenant's specs: run where its rules run, against events that they make up. Nothing of it
-- reaches the product.

local errors = require("core.errors")
local json = require("core.json")
local parts = require("services.scripts.parts")
local paths = require("services.scripts.paths")
local process = require("services.scripts.process")

local M = {}

local CHUNKS = { "spec" }
local LANE = "draft"
local LIMITS = { cpu_ms = 500, wall_ms = 10000, output_max = 65536, log_max = 8192 }

local function scripts_of(files)
  local scripts = {}
  for _, file in ipairs(files) do
    scripts[#scripts + 1] = file.path:find("%.lua$") and file or nil
  end
  return scripts
end

local function failure(message)
  local told = json.decode(message.text)
  return type(told) == "table" and type(told.error) == "table" and told.error
    or { code = "CRASHED", message = "the process of the scripts gave no answer" }
end

local function run_one(ctx, release, number)
  local input = json.encode({ spec = number, timezone = ctx.tenant.timezone })
  local message, err = process.start({ tenant_id = ctx.tenant.id, lane = LANE }, release, input,
    LIMITS)
  if not message and err.code == "LIMIT_WALL" then
    return { code = err.code, message = ("limit: wall %d ms"):format(LIMITS.wall_ms) }
  elseif not message then
    return process.problem(err)
  elseif message.kind ~= "done" then
    err:cancel(message.run)
    return { code = "CRASHED", message = "a spec asked the platform for something" }
  end
  return not message.ok and failure(message) or nil
end

--- Runs the specs among files against the rules among them.
-- @param files {{path, content}, ...}
-- @return array of {name, file, line, error = nil or {code, message, file, line}}; nil, problems
--   when the files do not load: {{file, line, message}, ...}; raises 503 without a process
function M.run(ctx, files)
  local scripts = scripts_of(files)
  local declared, problem = process.declared(ctx.tenant.id, scripts, CHUNKS)
  if not declared and problem.code == "UNAVAILABLE" then
    errors.raise("SERVICE_UNAVAILABLE", "The process of the scripts cannot be reached right now")
  elseif not declared or #declared.problems > 0 then
    return nil, declared and declared.problems or { problem }
  end
  local id, texts = parts.of(scripts, CHUNKS)
  local release = { id = id, texts = function()
    return texts
  end }
  local results = {}
  for number, spec in ipairs(declared.specs or {}) do
    results[number] = { name = spec.name, file = spec.file, line = spec.line,
      error = run_one(ctx, release, number) }
  end
  return results
end

--- Whether there is a spec among files.
function M.has(files)
  for _, file in ipairs(files) do
    if paths.is_spec(file.path) then
      return true
    end
  end
  return false
end

return M
