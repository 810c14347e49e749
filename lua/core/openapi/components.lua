-- What the operations of the OpenAPI document refer to: headers, parameters, errors.

local json = require("core.json")

local M = {}

local function integer(description)
  return { description = description, schema = { type = "integer", minimum = 0 } }
end

local function text(description, example)
  return { description = description, schema = { type = "string" }, example = example }
end

M.headers = {
  ["X-Request-Id"] = text("The caller's, if sane, or a new one; log lines have it."),
  ["RateLimit-Limit"] = integer("Requests that the caller may make in the period."),
  ["RateLimit-Remaining"] = integer("Requests that are left now."),
  ["RateLimit-Reset"] = integer("Seconds until all of them are there again."),
  ["Retry-After"] = integer("Seconds to wait before the next try."),
  ["ETag"] = text("The version of what is shown, for If-None-Match and If-Match."),
  ["Location"] = text("Where to ask for what was made."),
  ["Idempotent-Replayed"] = { description = "The first answer again: nothing was done twice.",
    schema = { const = "true" } },
  ["Deprecation"] = text("Since when this should no longer be used (RFC 9745).", "@1767225600"),
  ["Sunset"] = text("When it ends (RFC 8594).", "Fri, 31 Dec 2027 00:00:00 GMT"),
  ["Link"] = text("Where to read what to use instead.", '<https://example.org>; rel="deprecation"'),
}

local function header(name, description, schema)
  schema = schema or {}
  schema.type = "string"
  return { name = name, ["in"] = "header", required = false, description = description,
    schema = schema }
end

M.parameters = {
  IdempotencyKey = header("Idempotency-Key",
    "A repeat within 24 hours with the same key gets the first answer.",
    { minLength = 1, maxLength = 255, pattern = "^[!-~]+$" }),
  IfMatch = header("If-Match", "Only if this is the present version, by its ETag; else 412."),
  IfNoneMatch = header("If-None-Match", "304 if this is the present version, by its ETag."),
  Tenant = header("X-Tenant", "The slug of the tenant, for callers who have not signed in.",
    { maxLength = 63 }),
}

M.security_schemes = {
  bearer = { type = "http", scheme = "bearer", bearerFormat = "JWT" },
  apiKey = { type = "apiKey", ["in"] = "header", name = "X-API-Key" },
}

--- A reference to one of them: "headers", "ETag".
function M.ref(kind, name)
  return { ["$ref"] = "#/components/" .. kind .. "/" .. name }
end

local function texts(...)
  local properties = json.object({})
  for _, name in ipairs({ ... }) do
    properties[name] = { type = "string" }
  end
  return properties
end

local function failure()
  local properties = texts("code", "message", "requestId")
  properties.timestamp = { type = "string", format = "date-time" }
  properties.details = { type = "array", items = M.ref("schemas", "Problem") }
  properties.mfaToken = { type = "string",
    description = "With MFA_REQUIRED: what the second step of the sign-in is known by." }
  return {
    type = "object",
    required = { "success", "error" },
    properties = {
      success = { const = false },
      error = { type = "object", required = { "code", "message", "timestamp", "requestId" },
        properties = properties },
    },
  }
end

local function problem()
  local properties = texts("field", "code", "message", "from", "to", "action", "file", "severity")
  properties.line, properties.column = { type = "integer" }, { type = "integer" }
  properties.allowed = { type = "array", items = { type = "string" } }
  properties.offset = { type = "integer", description = "the byte at which JSON broke" }
  return { type = "object", properties = properties,
    description = "One of all that is wrong. A forbidden transition tells from, to or action, and "
      .. "what is allowed; a script its file and line." }
end

local function counts(required, ...)
  local properties = json.object({})
  for _, name in ipairs({ ... }) do
    properties[name] = { type = "integer" }
  end
  return { type = "object", required = required, properties = properties }
end

local function schemas()
  local by_cursor = counts({ "limit", "nextCursor", "hasMore" }, "limit")
  by_cursor.properties.nextCursor = { type = { "string", "null" },
    description = "for the next page" }
  by_cursor.properties.hasMore = { type = "boolean" }
  return {
    Error = failure(),
    Problem = problem(),
    PageMeta = {
      description = "By cursor, or with page=N by number.",
      anyOf = { by_cursor, counts({ "limit", "page", "total", "totalPages" }, "limit", "page",
        "total", "totalPages") },
    },
  }
end

-- Status -> name and meaning of the error answers that many operations share.
local ERRORS = {
  ["400"] = { "BadRequest", "Malformed or invalid: details names all fields." },
  ["401"] = { "Unauthorized", "Not signed in, or not by anything that holds." },
  ["403"] = { "Forbidden", "Signed in, but without the permission." },
  ["404"] = { "NotFound", "Absent, or not for the caller to see." },
  ["409"] = { "Conflict", "Something else came first: INVALID_TRANSITION, …" },
  ["412"] = { "PreconditionFailed", "It was changed since it was read." },
  ["413"] = { "PayloadTooLarge", "The body, or a part of it, is over the limit." },
  ["415"] = { "UnsupportedMediaType", "The body is of another content type." },
  ["422"] = { "RefusedByRule", "A rule of the tenant's refuses it, or must agree and fails." },
  ["429"] = { "RateLimited", "Too many requests of this rate class.", "Retry-After" },
  ["503"] = { "Unavailable", "A dependency is down for the moment.", "Retry-After" },
  default = { "Failure", "What else went wrong." },
}

--- The headers of every answer, with those named.
function M.headers_of(...)
  local headers = json.object({})
  for _, name in ipairs({ "X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining",
    "RateLimit-Reset", ... }) do
    headers[name] = M.ref("headers", name)
  end
  return headers
end

--- An error answer: the one that all share, or with a meaning of its own.
function M.failure(status, meaning)
  local shared = ERRORS[status]
  if shared and not meaning then
    return M.ref("responses", shared[1])
  end
  return {
    description = meaning or shared[2],
    headers = M.headers_of(shared and shared[3]),
    content = { ["application/json"] = { schema = M.ref("schemas", "Error") } },
  }
end

--- The document's components.
-- @param named the schemas that operations refer to
function M.build(named)
  local all, responses = schemas(), {}
  for name, schema in pairs(named) do
    all[name] = schema
  end
  for status, shared in pairs(ERRORS) do
    responses[shared[1]] = M.failure(status, shared[2])
  end
  return {
    headers = M.headers,
    parameters = M.parameters,
    responses = responses,
    schemas = all,
    securitySchemes = M.security_schemes,
  }
end

return M
