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

-- It went well, or it did not: a route leads nowhere else, nor does it know what the caller has.
local function is_status(status)
  return type(status) == "number" and status % 1 == 0
    and (status >= 200 and status <= 299 or status >= 400 and status <= 599)
end

--- json(value, status): what a route answers. The status is 200 unless another is named.
local function answer(_, value, status)
  status = status or 200
  if not is_status(status) then
    sandbox.fail("SCRIPT_ERROR", "json: the status must be 200 to 299 or 400 to 599")
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
