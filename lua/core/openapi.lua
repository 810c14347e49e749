-- The OpenAPI 3.1 document, made from the route tables that also route and validate.

local crypto = require("core.crypto")
local json = require("core.json")
local registry = require("core.registry")

local M = {}

local VERSION = "1.0.0"

-- The text and its hash, made on first use.
local document, document_hash

local function path_template(route)
  return (route.base .. route.path):gsub(":([%w_]+)", "{%1}")
end

local function operation_id(route)
  local words = { route.method:lower() }
  for word in (route.base .. route.path):gmatch("[%w_]+") do
    words[#words + 1] = word
  end
  return table.concat(words, "_")
end

local function parameters(route)
  local list = json.array({})
  for _, name in ipairs(route.param_names) do
    local described = route.params and route.params.fields[name]
    list[#list + 1] = {
      name = name, ["in"] = "path", required = true,
      schema = described and described:openapi() or { type = "string" },
    }
  end
  local query = route.query
  for _, name in ipairs(query and query.names or {}) do
    local field = query.fields[name]
    list[#list + 1] = {
      name = name, ["in"] = "query", required = not field.optional, schema = field:openapi(),
      explode = field.kind == "list" and false or nil,
    }
  end
  if route.method == "POST" and not route.secret then
    list[#list + 1] = { ["$ref"] = "#/components/parameters/IdempotencyKey" }
  end
  return list
end

local function multipart_schema(route)
  local properties = json.object({})
  for name, rule in pairs(route.multipart) do
    if type(rule) == "table" then
      local file = { type = "string", contentMediaType = "application/octet-stream" }
      properties[name] = (rule.max or 1) > 1
        and { type = "array", items = file, maxItems = rule.max } or file
    elseif route.body then
      properties[rule] = route.body:openapi()
    end
  end
  return { type = "object", properties = properties }
end

local function request_body(route)
  local content = {}
  if route.body then
    content["application/json"] = { schema = route.body:openapi() }
  end
  if route.multipart then
    content["multipart/form-data"] = { schema = multipart_schema(route) }
  end
  return next(content) and { content = content, required = true } or nil
end

local ERROR = { ["$ref"] = "#/components/responses/Error" }

local function responses(route)
  local out = json.object({})
  local has_success = false
  for status, text in pairs(route.answers or {}) do
    if status < 400 then
      out[tostring(status)] = { description = text }
      has_success = true
    else
      out[tostring(status)] = {
        description = text,
        content = { ["application/json"] = {
          schema = { ["$ref"] = "#/components/schemas/Error" },
        } },
      }
    end
  end
  if not has_success then
    out["200"] = { description = "OK" }
  end
  out.default = ERROR
  return out
end

local function operation(route)
  local permissions = route.permissions
  return {
    operationId = operation_id(route),
    summary = route.summary,
    tags = { route.module },
    parameters = parameters(route),
    requestBody = request_body(route),
    responses = responses(route),
    deprecated = route.deprecated and true or nil,
    security = route.is_public and json.array({}) or nil,
    ["x-permission"] = #permissions == 1 and permissions[1] or permissions,
    ["x-rate-class"] = route.rate,
  }
end

local ERROR_SCHEMA = {
  type = "object",
  required = { "success", "error" },
  properties = {
    success = { const = false },
    error = {
      type = "object",
      required = { "code", "message", "timestamp", "requestId" },
      properties = {
        code = { type = "string" },
        message = { type = "string" },
        timestamp = { type = "string", format = "date-time" },
        requestId = { type = "string" },
        details = { type = "array", items = { type = "object" } },
      },
    },
  },
}

local function build()
  local paths = json.object({})
  for _, route in ipairs(registry.routes) do
    local template = path_template(route)
    paths[template] = paths[template] or {}
    paths[template][route.method:lower()] = operation(route)
  end
  return {
    openapi = "3.1.0",
    info = { title = "Fixxit", version = VERSION },
    security = { { bearer = json.array({}) }, { apiKey = json.array({}) } },
    paths = paths,
    components = {
      securitySchemes = {
        bearer = { type = "http", scheme = "bearer", bearerFormat = "JWT" },
        apiKey = { type = "apiKey", ["in"] = "header", name = "X-API-Key" },
      },
      parameters = {
        IdempotencyKey = {
          name = "Idempotency-Key", ["in"] = "header", required = false,
          description = "A repeat within 24 hours with the same key gets the first answer.",
          schema = { type = "string", minLength = 1, maxLength = 255, pattern = "^[!-~]+$" },
        },
      },
      schemas = { Error = ERROR_SCHEMA },
      responses = {
        Error = {
          description = "What went wrong.",
          content = { ["application/json"] = {
            schema = { ["$ref"] = "#/components/schemas/Error" },
          } },
        },
      },
    },
  }
end

--- The document as JSON text, and a hash of it.
function M.document()
  if not document then
    document = json.encode(build(), { sorted = true })
    document_hash = crypto.hex(crypto.hash("sha256", document)):sub(1, 32)
  end
  return document, document_hash
end

return M
