--- One run of one hook: gives the process its input, carries out what it asks for, and says how it
-- ended.
--
-- Nothing that the process says is believed: what it may ask for, how often, and whose run it is
-- are known here.

local errors = require("core.errors")
local json = require("core.json")
local log = require("core.log")
local registry = require("core.registry")
local time = require("core.time")
local uuid = require("core.uuid")
local effects = require("services.scripts.effects")
local journals = require("services.scripts.journal")
local made_up = require("services.scripts.made_up")
local process = require("services.scripts.process")

local M = {}

local AS_GIVEN = { strict = true, from_lua = true }
local RESULT_DEPTH = { max_depth = 40 }
local FILE_MAX = 100
local TOO_LARGE = json.encode({ code = "LIMIT_INPUT",
  message = "the answer is too large: ask for less" })
local FETCHES = { field = "fetches", what = "requests to other servers" }
local WRITES = { field = "writes", what = "changes" }

local function stop(code, message)
  errors.raise(code, message, { status = 422 })
end

-- Raises when the run has had as many as it may.
local function count(run, field, what, call)
  run[field] = run[field] + 1
  local max = run.limits[field]
  if run[field] <= max then
    return
  end
  run.over = true
  stop("LIMIT_CALLS", ("limit: calls %d%s at %s:%s"):format(max, what and " " .. what or "",
    call.file or run.hook.file, tostring(call.line or run.hook.line)))
end

-- Whether nothing is wrong but that ids are none.
local function is_of_ids(entry, problems)
  for _, problem in ipairs(problems) do
    local field = entry.arguments.fields[problem.field]
    if not field or field.format ~= "uuid" or problem.code == "required" then
      return false
    end
  end
  return true
end

-- What is no id is nobody's: as in the paths of the API, it is answered like one of nothing.
local function check_arguments(entry, arguments)
  local clean, problems = entry.arguments:validate(arguments, AS_GIVEN)
  if problems and is_of_ids(entry, problems) then
    errors.raise("NOT_FOUND", "there is nothing with such an id", { details = problems })
  end
  return problems and errors.validation(problems) or clean
end

-- A request to another server is kept like a change, and counted apart.
local function is_kept(entry)
  return entry.writes or entry.outside
end

local function pretend(run, entry, arguments, call)
  local value = entry.made_up
    and made_up.keep(run.dry, entry, arguments,
      entry.made_up(arguments, run.new_id or uuid.v7, run.ctx, run.dry))
  run.actions[#run.actions + 1] = { call = entry.name, arguments = arguments, file = call.file,
    line = call.line }
  return value
end

-- Reads are answered from what an attempt before has read, as far as it has done something then.
local function look_up(run, entry, arguments, perform)
  local thing = run.dry and made_up.find(run.dry, entry, arguments)
  if thing or not run.journal then
    return thing or perform(run.ctx)
  end
  return json.raw(run.journal:answer(run.ordinal + 1, entry.name, arguments, function()
    local value = perform(run.ctx)
    return json.encode(value == nil and json.null or value)
  end))
end

-- By what a write is known again, in other attempts, too.
local function key_of(run)
  return run.origin and effects.key(run.origin, run.ordinal) or uuid.v7()
end

local function carry_out(run, entry, arguments, call)
  local ordinal = run.ordinal
  local about = {
    key = (entry.outside or entry.keyed) and key_of(run) or nil,
    ordinal = ordinal, dry = run.dry, file = run.hook.file, kind = run.hook.kind,
    limits = run.limits, until_ms = run.until_ms,
  }
  local function perform(ctx)
    return entry.run(ctx, arguments, about)
  end
  if not is_kept(entry) then
    return look_up(run, entry, arguments, perform)
  elseif run.dry then
    return pretend(run, entry, arguments, call)
  end
  return effects.perform(run.ctx, run.journal, ordinal, entry, arguments, perform)
end

local function serve(run, call)
  count(run, "calls", nil, call)
  local entry = registry.capabilities[call.name]
  if not entry then
    stop("SCRIPT_ERROR", ("there is no '%s'"):format(tostring(call.name)))
  end
  if is_kept(entry) then
    local class = entry.outside and FETCHES or WRITES
    count(run, class.field, class.what, call)
    run.ordinal = run.ordinal + 1
  end
  return carry_out(run, entry, check_arguments(entry, call.arguments), call)
end

local function read_call(text)
  local call = json.decode(text, RESULT_DEPTH)
  if type(call) ~= "table" or type(call.name) ~= "string" then
    return nil
  elseif type(call.arguments) ~= "table" or next(call.arguments) == nil then
    call.arguments = {}
  end
  call.file = type(call.file) == "string" and call.file:sub(1, FILE_MAX) or nil
  call.line = type(call.line) == "number" and call.line or nil
  return call
end

-- Which errors are about fields.
local OF_FIELDS = { VALIDATION_ERROR = true, NOT_FOUND = true }

-- The words of an error; of one about fields all that is wrong with them.
local function words_of(err, call)
  if not OF_FIELDS[err.code] or type(err.details) ~= "table" then
    return err.message
  end
  return ("%s: %s"):format(call.name, errors.words(err.details))
end

-- What the author is told of a failure: no internals.
local function told(run, err, call)
  if not errors.is(err) or err.status >= 500 then
    log.warn(run.ctx, "a capability failed", { hook = run.hook.key, file = run.hook.file,
      error = tostring(err.cause or err), traceback = err.traceback })
  end
  run.permanent = run.permanent or err.permanent
  run.is_over = run.is_over or err.is_over
  run.late_at = run.late_at or err.is_late and call
  return json.encode({ code = err.code, message = words_of(err, call) })
end

-- @return whether it went well, JSON of the value or of the failure
local function answer(run, text)
  local call = read_call(text)
  if not call then
    run.over = true
    return false, json.encode({ code = "SCRIPT_ERROR", message = "this is no call" })
  end
  local ok, value = xpcall(serve, errors.capture, run, call)
  if not ok then
    return false, told(run, value, call)
  end
  return true, json.encode(value == nil and json.null or value)
end

-- @param place file and line, as the process says; each may be nil
local function wall_error(run, place)
  local file, line = place.file or run.hook.file, place.line or run.hook.line
  return process.clean_error({ code = "LIMIT_WALL", file = file, line = line,
    message = ("limit: wall %d ms at %s:%s"):format(run.limits.wall_ms, file, tostring(line)) })
end

-- The host's failures as an author sees them.
local function of_host(run, err)
  return err.code == "LIMIT_WALL" and wall_error(run, run.hook) or process.problem(err)
end

local function clean_log(lines, max)
  local clean, size = json.array({}), 0
  for _, line in ipairs(type(lines) == "table" and lines or {}) do
    if type(line) == "string" and size + #line <= max then
      clean[#clean + 1], size = line, size + #line
    end
  end
  return clean
end

local function finish(run, message)
  local told_so = json.decode(message.text, RESULT_DEPTH)
  told_so = type(told_so) == "table" and told_so or {}
  run.cpu_us, run.memory = message.cpu_us, message.memory
  run.log = clean_log(told_so.log, run.limits.log_max)
  if message.ok then
    run.value = told_so.value
  else
    run.error = process.clean_error(told_so.error)
  end
end

-- Whether a run ends with a call that it made, and with which error.
local function end_of(run, was_over)
  if run.is_over then -- another attempt has done all of it
    return true
  elseif run.late_at then -- the call has taken what time was left
    return true, wall_error(run, run.late_at)
  end
  return was_over, was_over and { code = "LIMIT_CALLS", -- it goes on after its end
    message = "the run went on after its limit of calls" } or nil
end

local function drive(run, release, input)
  local message, conn = process.start({ tenant_id = run.ctx.tenant.id, lane = run.lane }, release,
    input, run.limits)
  if not message then
    run.error = of_host(run, conn)
    return
  end
  while message.kind == "call" do
    local was_over = run.over
    local ok, text = answer(run, message.text)
    local ends, problem = end_of(run, was_over)
    if ends then
      conn:cancel(message.run)
      run.error = problem
      return
    end
    local next_one, err = conn:answer(message.run, ok, text)
    if not next_one and err.code == "TOO_LARGE" then
      next_one, err = conn:answer(message.run, false, TOO_LARGE)
    end
    if not next_one then
      run.error = of_host(run, err)
      return
    end
    message = next_one
  end
  finish(run, message)
end

-- What could not be read, for one: the texts of the release, while the database is away.
local function note_failure(run, err)
  log.warn(run.ctx, "a rule could not be run", { hook = run.hook.key, error = tostring(err),
    traceback = err.traceback })
  run.error = { code = err.code, message = err.message, file = run.hook.file,
    line = run.hook.line }
end

local function status_of(run)
  if not run.error then
    return "ok"
  end
  return run.error.code:find("^LIMIT_") and "limit" or "error"
end

local function input_of(spec, tenant, began_at)
  return json.encode({
    hook = spec.hook.id,
    step = spec.step,
    arguments = json.array(spec.arguments),
    now = began_at,
    timezone = tenant.timezone,
    dry = spec.dry and true,
    seed = spec.origin and spec.origin.cause .. spec.origin.handler,
  })
end

-- The journal of a run that may be tried again, and the time by which a run goes.
local function recall(run, at)
  local origin = run.origin
  if origin then
    run.journal = origin.journal or journals.open(run.ctx, origin)
  end
  run.began_at = at or run.journal and run.journal.began_at or run.started_at
end

-- What the run ends with before it begins, or nil.
local function refusal_of(run, spec)
  local ok, input = pcall(input_of, spec, run.ctx.tenant, run.began_at)
  if spec.refusal then
    return spec.refusal
  elseif not ok then
    return { code = "SCRIPT_ERROR", message = "the input is no JSON" }
  elseif #input > run.limits.input_max then
    return { code = "LIMIT_INPUT", message = ("limit: input %d KiB at %s:%d"):format(
      run.limits.input_max / 1024, run.hook.file, run.hook.line) }
  end
  return nil, input
end

local function begin(run, spec)
  recall(run, spec.at)
  local refusal, input = refusal_of(run, spec)
  if refusal then
    run.error = refusal
  elseif not (run.journal and run.journal:is_over()) then
    run.begun = true
    drive(run, spec.release(), input)
    if run.journal and not run.error then
      run.journal:close(run.ctx)
    end
  end
end

--- Runs a hook. Raises nothing.
-- @param ctx acts as the script (context.script), in its tenant
-- @param spec hook, release = function() -> that of parts.release, arguments (array), step,
--   limits (limits.of), lane;
--   origin = {cause, handler, again = whether there may have been an attempt, journal = where it is
--   open already} when it may be tried again,
--   dry = a table when writes are only noted: there capabilities keep what later runs see, new_id =
--   what makes up ids then, at = the time by which it goes, where that is not now,
--   refusal = the error with which it ends before it begins
-- @return {status = "ok" | "error" | "limit", value, error, begun = whether the hook was asked at
--   all, permanent = no use in another attempt, log, actions, cpu_us, wall_us, memory, calls,
--   started_at}
function M.perform(ctx, spec)
  local began = time.monotonic_ms()
  local run = { -- with room for what becomes of it: more than 16 fields
    ctx = ctx, hook = spec.hook, limits = spec.limits, lane = spec.lane, dry = spec.dry,
    origin = spec.origin, new_id = spec.new_id, calls = 0, writes = 0, fetches = 0, ordinal = 0,
    cpu_us = 0, wall_us = 0, memory = 0, status = "ok", until_ms = began + spec.limits.wall_ms,
    log = json.array({}), actions = json.array({}), started_at = time.now(),
  }
  local went, err = xpcall(begin, errors.capture, run, spec)
  if not went then
    note_failure(run, err)
  end
  run.wall_us = math.floor((time.monotonic_ms() - began) * 1000)
  run.status = status_of(run)
  return run
end

return M
