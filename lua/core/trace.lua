--- W3C Trace Context: which larger doing a request, an event or a job is a part of. Every log line
-- of a context names its trace; what leaves here (requests to other servers, events, jobs) carries
-- it on as a `traceparent`.
--
-- trace = { id = 32 hex digits, flags = 2, parent = the caller's span, span = our own once asked }

local crypto = require("core.crypto")
local uuid = require("core.uuid")

local M = {}

local HEADER = "^(%x%x)%-(%x+)%-(%x+)%-(%x%x)(.*)$"
local TRACE_LEN, PARENT_LEN, SPAN_BYTES = 32, 16, 8
local RECORDED = "01" -- what begins here is: the log has a line of it

local function is_id(text, len)
  return #text == len and not text:find("%u") and text:find("[^0]") ~= nil
end

--- The trace of a `traceparent`, or a new one when there is none that is valid. A later version
-- may have more fields behind those of version 00.
function M.read(header)
  if header then
    local version, trace, parent, flags, rest = header:match(HEADER)
    if version and version ~= "ff" and not (version .. flags):find("%u")
      and is_id(trace, TRACE_LEN) and is_id(parent, PARENT_LEN)
      and (rest == "" or version ~= "00" and rest:sub(1, 1) == "-") then
      return { id = trace, flags = flags, parent = parent }
    end
  end
  return { id = uuid.hex(), flags = RECORDED }
end

--- The trace of a context; one without begins one. Made when it is asked for: most requests set
-- nothing off.
function M.of(ctx)
  if not ctx.trace then
    ctx.trace_id = ctx.trace_id or uuid.hex()
    ctx.trace = { id = ctx.trace_id, flags = RECORDED }
  end
  return ctx.trace
end

--- The same for one who only hands a `traceparent` on: what it carries on names the same parent.
function M.pass(header)
  local trace = M.read(header)
  trace.span = trace.parent
  return trace
end

--- The `traceparent` of what a context sets off.
function M.parent(ctx)
  local trace = M.of(ctx)
  trace.span = trace.span or crypto.hex(crypto.random(SPAN_BYTES))
  return ("00-%s-%s-%s"):format(trace.id, trace.span, trace.flags)
end

return M
