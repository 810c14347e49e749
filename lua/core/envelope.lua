-- The one envelope writer: what success and failure look like on every endpoint.

local json = require("core.json")
local time = require("core.time")

local M = {}

--- The content type of both.
M.TYPE = "application/json; charset=utf-8"

--- The body of a success. `data` nil is null, `meta` nil is left out. Put together as text: the
-- keys come in this order for whoever reads them.
function M.success(data, meta)
  if data == nil then
    data = json.null
  end
  return json.framed('{"success":true,"data":', data,
    meta == nil and "}" or ',"meta":' .. json.encode(meta) .. "}")
end

--- The body of a failure.
-- @param err a typed error
function M.failure(err, request_id)
  local text = '{"success":false,"error":{"code":' .. json.encode(err.code)
    .. ',"message":' .. json.encode(err.message)
    .. ',"timestamp":"' .. time.now() .. '","requestId":' .. json.encode(request_id)
  if err.details then
    text = text .. ',"details":' .. json.encode(err.details)
  end
  for name, value in pairs(err.fields or {}) do
    text = text .. "," .. json.encode(name) .. ":" .. json.encode(value)
  end
  return text .. "}}"
end

return M
