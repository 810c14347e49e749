-- Typed errors. Services and stores raise them, core.app turns them into answers. One table
-- maps a code to its HTTP status.

local M = {}

M.STATUS = {
  VALIDATION_ERROR = 400, INVALID_JSON = 400, BAD_REQUEST = 400, TENANT_REQUIRED = 400,
  INVALID_FILE = 400, INVALID_TOKEN = 400,
  UNAUTHORIZED = 401, TOKEN_EXPIRED = 401, TOKEN_REUSED = 401, INVALID_CREDENTIALS = 401,
  MFA_REQUIRED = 401, INVALID_CODE = 401,
  FORBIDDEN = 403,
  NOT_FOUND = 404, UNKNOWN_TENANT = 404,
  METHOD_NOT_ALLOWED = 405,
  TIMEOUT = 408,
  CONFLICT = 409, INVALID_TRANSITION = 409, ASSIGN_RACE = 409, EMAIL_TAKEN = 409,
  IDEMPOTENCY_MISMATCH = 409,
  GONE = 410,
  PRECONDITION_FAILED = 412,
  PAYLOAD_TOO_LARGE = 413,
  UNSUPPORTED_MEDIA_TYPE = 415,
  RANGE_NOT_SATISFIABLE = 416,
  REJECTED_BY_RULE = 422,
  RATE_LIMITED = 429, ACCOUNT_LOCKED = 429,
  INTERNAL = 500,
  SERVICE_UNAVAILABLE = 503,
  STORAGE_FULL = 507,
}

-- What goes with a status, unless the error names headers of its own.
local HEADERS = {
  [401] = { ["WWW-Authenticate"] = "Bearer" },
  [503] = { ["Retry-After"] = "1" },
}

-- How the host's failures look to a client. What is not here is a bug: 500.
local FROM_HOST = {
  UNAVAILABLE = "SERVICE_UNAVAILABLE", BUSY = "SERVICE_UNAVAILABLE", LOST = "SERVICE_UNAVAILABLE",
  TIMEOUT = "SERVICE_UNAVAILABLE", DEADLOCK = "SERVICE_UNAVAILABLE",
  CANCELLED = "SERVICE_UNAVAILABLE",
  DISK_FULL = "STORAGE_FULL",
  DUPLICATE = "CONFLICT",
}

local MESSAGES = {
  SERVICE_UNAVAILABLE = "A service that is needed does not answer right now",
  STORAGE_FULL = "There is no room to store this",
  CONFLICT = "This exists already",
  INTERNAL = "Internal error",
}

-- MariaDB's numbers for a foreign key that points nowhere, or is still pointed at.
local FOREIGN_KEY = { [1451] = true, [1452] = true }

local Error = {}
Error.__index = Error
Error.__tostring = function(err)
  local text = err.code .. ": " .. err.message
  return err.cause and text .. " (" .. err.cause .. ")" or text
end

--- Makes an error without raising it.
-- @param code a key of STATUS, or any other with options.status
-- @param options { status=, details=, headers=, fields = further members of the answer's error }
function M.new(code, message, options)
  local err = setmetatable({
    code = code,
    message = message,
    status = options and options.status or M.STATUS[code] or 500,
  }, Error)
  if options then
    err.details, err.headers, err.fields = options.details, options.headers, options.fields
  end
  err.headers = err.headers or HEADERS[err.status]
  return err
end

--- Raises M.new(...).
function M.raise(code, message, options)
  error(M.new(code, message, options), 0)
end

--- Whether the value is a typed error; with a code, whether it is that one.
function M.is(value, code)
  return getmetatable(value) == Error and (code == nil or value.code == code)
end

--- Raises 400 naming every invalid field.
-- @param details array of {field=, code=, message=}
function M.validation(details)
  local count = #details
  local message = count == 1 and "1 field is invalid" or count .. " fields are invalid"
  M.raise("VALIDATION_ERROR", message, { details = details })
end

--- What is wrong with fields in one text: "title is required; tags must be a list".
-- @param details as of M.validation
function M.words(details)
  local texts = {}
  for i, problem in ipairs(details) do
    texts[i] = (problem.field ~= "" and problem.field .. " " or "") .. problem.message
  end
  return table.concat(texts, "; ")
end

--- Turns what a primitive returned as its second value into a typed error. `host_code` keeps
-- the primitive's code, `key` the index of a duplicate; `cause` goes to the log only.
function M.from_host(host)
  local host_code = type(host) == "table" and host.code or "INTERNAL"
  local code = FROM_HOST[host_code]
  if host_code == "CONSTRAINT" and FOREIGN_KEY[host.errno] then
    code = "CONFLICT"
  end
  local err = M.new(code or "INTERNAL", MESSAGES[code or "INTERNAL"])
  err.host_code = host_code
  err.cause = type(host) == "table" and host_code .. ": " .. tostring(host.message)
    or tostring(host)
  if code == "CONFLICT" then
    err.key = host.key
  elseif not code then
    err.traceback = debug.traceback("", 3)
  end
  return err
end

--- Passes a primitive's result through, or raises its failure as a typed error.
function M.check(value, err)
  if value == nil and err ~= nil then
    error(M.from_host(err), 0)
  end
  return value
end

--- For xpcall: keeps typed errors, wraps anything else as INTERNAL with its traceback.
function M.capture(value)
  if getmetatable(value) == Error then
    return value
  end
  local err = M.new("INTERNAL", MESSAGES.INTERNAL)
  err.cause = tostring(value)
  err.traceback = debug.traceback("", 2)
  return err
end

return M
