-- The one envelope writer: what success and failure look like on every endpoint.

local json = require("core.json")
local time = require("core.time")

local M = {}

--- The content type of both.
M.TYPE = "application/json; charset=utf-8"

--- The body of a success. `data` nil is null, `meta` nil is left out.
function M.success(data, meta)
  if data == nil then
    data = json.null
  end
  return json.encode({ success = true, data = data, meta = meta })
end

--- The body of a failure.
-- @param err a typed error
function M.failure(err, request_id)
  return json.encode({
    success = false,
    error = {
      code = err.code,
      message = err.message,
      timestamp = time.now(),
      requestId = request_id,
      details = err.details,
    },
  })
end

return M
