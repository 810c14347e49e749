-- json and log.
local sandbox = ...

local function shown(value)
  return type(value) == "table" and sandbox.json_encode(value) or tostring(value)
end

--- log("found", count, { id = 7 }): a line in the record of the run.
sandbox.define("log", function(...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = shown((select(i, ...)))
  end
  sandbox.log_line(table.concat(parts, " "))
end)

local STATUS_MIN, STATUS_MAX = 200, 599

--- json(value, status): what a route answers. The status is 200 unless another is named.
local function answer(_, value, status)
  status = status or 200
  if type(status) ~= "number" or status % 1 ~= 0 or status < STATUS_MIN or status > STATUS_MAX then
    sandbox.fail("SCRIPT_ERROR", ("json: the status must be between %d and %d"):format(STATUS_MIN,
      STATUS_MAX))
  end
  local made = { status = status, body = value }
  local state = sandbox.state()
  state.answers = state.answers or {}
  state.answers[made] = true
  return made
end

sandbox.define("json", {
  encode = function(value)
    return sandbox.json_encode(value)
  end,
  decode = function(text)
    if type(text) ~= "string" then
      sandbox.fail("SCRIPT_ERROR", "json.decode takes text, not a " .. type(text))
    end
    return sandbox.json_decode(text)
  end,
  array = sandbox.array,
  null = sandbox.null,
}, answer)

--- What a route's handler returned as {status, body}: made by json(...), or nothing.
function sandbox.route_answer(value)
  local made = (sandbox.state().answers or {})[value == nil and "" or value]
  if made then
    return { status = value.status, body = value.body }
  elseif value == nil then
    return { status = 200 }
  end
  sandbox.fail("SCRIPT_ERROR", "a route must return json(value) or json(value, status)")
end
