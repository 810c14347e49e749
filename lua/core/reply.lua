-- What a handler returns. core.app writes it.

local conditions = require("core.conditions")
local errors = require("core.errors")

local M = {}

local function answer(status, data, options)
  return {
    kind = "data",
    status = status,
    data = data,
    meta = options and options.meta,
    etag = options and options.etag,
    headers = options and options.headers,
  }
end

--- 200. options: meta, etag (text without quotes; makes If-None-Match work), headers.
function M.ok(data, options)
  return answer(200, data, options)
end

--- 201 with Location, a path such as "/api/v1/reports/<id>".
function M.created(location, data, options)
  local reply = answer(201, data, options)
  reply.location = location
  return reply
end

--- 202: the work goes on, `location` is where to ask for it.
function M.accepted(location, data, options)
  local reply = answer(202, data, options)
  reply.location = location
  return reply
end

--- Any other status with the envelope.
function M.with_status(status, data, options)
  return answer(status, data, options)
end

--- A file from disk, with Range and ETag.
-- @param file { path=, type=, size=, etag=, modified_ms = or nil, name = for Content-Disposition,
--   disposition = "inline" or "attachment", headers= }
function M.file(file)
  return {
    kind = "file",
    status = 200,
    file = file,
    etag = file.etag,
    headers = file.headers,
  }
end

--- Anything else, without the envelope.
-- @param sealed host.http.headers(headers), or nil: for headers that many answers have
function M.raw(status, headers, body, sealed)
  return { kind = "raw", status = status, headers = headers, body = body or "", sealed = sealed }
end

--- For handlers that answer by themselves with the headers of every answer: `write(headers)`.
function M.own(status, write)
  return { kind = "own", status = status, write = write }
end

--- For handlers that have answered by themselves (a WebSocket).
function M.none()
  return { kind = "none" }
end

--- Raises 412 when the client's If-Match names another version than `etag`, or any (`*`) of what
-- is not there: then that is nil.
function M.require_match(ctx, etag)
  local header = ctx.req and ctx.req:header("if-match")
  if header and not (etag and conditions.matches(header, etag)) then
    errors.raise("PRECONDITION_FAILED", "It was changed in the meantime: read it again")
  end
end

return M
