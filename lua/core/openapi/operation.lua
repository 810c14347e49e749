-- A route as an operation of the OpenAPI document: nothing here says what the route's table does
-- not.

local components = require("core.openapi.components")
local json = require("core.json")

local M = {}

local ref = components.ref
local NO_BODY = { [101] = true, [204] = true, [304] = true }

local function operation_id(route)
  local words = { route.method:lower() }
  for word in (route.base .. route.path):gmatch("[%w_]+") do
    words[#words + 1] = word
  end
  return table.concat(words, "_")
end

local function takes_key(route)
  return route.method == "POST" and not route.secret
end

local function path_parameters(list, route, names, named)
  for i, own in ipairs(route.param_names) do
    local described = route.params and route.params.fields[own]
    local schema = described and described:openapi(named)
      or { type = "string", format = route.param_ids[i] and "uuid" or nil }
    list[#list + 1] = { name = names[i], ["in"] = "path", required = true, schema = schema,
      description = names[i] ~= own and own or nil }
  end
end

local function query_parameters(list, query, named)
  for _, name in ipairs(query and query.names or {}) do
    local field = query.fields[name]
    list[#list + 1] = {
      name = name, ["in"] = "query", required = not field.optional,
      description = field.describe, schema = field:openapi(named),
      explode = field.kind == "list" and false or nil,
    }
  end
end

-- @param names of the path's parameters, as the path's template has them
local function parameters(route, names, named)
  local list = json.array({})
  path_parameters(list, route, names, named)
  query_parameters(list, route.query, named)
  if takes_key(route) then
    list[#list + 1] = ref("parameters", "IdempotencyKey")
  end
  if route.versioned then
    list[#list + 1] = ref("parameters", route.method == "GET" and "IfNoneMatch" or "IfMatch")
  end
  if route.tenant ~= false and route.is_public then
    list[#list + 1] = ref("parameters", "Tenant")
  end
  return list
end

local function multipart_schema(route, named)
  local properties, required = json.object({}), {}
  for name, rule in pairs(route.multipart) do
    if type(rule) == "table" then
      local file = { type = "string", contentMediaType = "application/octet-stream" }
      properties[name] = (rule.max or 1) > 1
        and { type = "array", items = file, maxItems = rule.max } or file
      required[#required + 1] = rule.required and name or nil
    elseif route.body then
      properties[rule] = route.body:openapi(named)
    end
  end
  -- Without a part for JSON each field of the body is a part of its own.
  if route.body and not route.multipart.data then
    for name, field in pairs(route.body:openapi(named).properties) do
      properties[name] = field
    end
  end
  return { type = "object", properties = properties, required = required[1] and required or nil }
end

local function request_body(route, named)
  local content = {}
  if route.body then
    content["application/json"] = { schema = route.body:openapi(named) }
  end
  for media_type in pairs(route.text or {}) do
    content[media_type] = { schema = { type = "string" } }
  end
  if route.multipart then
    content["multipart/form-data"] = { schema = multipart_schema(route, named) }
  end
  return next(content) and { content = content, required = true } or nil
end

-- The envelope around what the route returns: a schema, false for null, nothing for any value.
local function envelope(route, named)
  local data = json.object({})
  if route.returns then
    data = route.returns:openapi(named)
  elseif route.returns == false then
    data.type = "null"
  end
  local is_list = route.query and route.query.fields.cursor
  return {
    type = "object",
    required = { "success", "data" },
    properties = {
      success = { const = true },
      data = data,
      meta = route.meta and route.meta:openapi(named) or is_list and ref("schemas", "PageMeta")
        or nil,
    },
  }
end

-- The envelope, what else the route answers, or both: then the client's Accept decides.
local function success_content(route, named)
  local content, types = route.content, {}
  if not content or route.returns then
    types["application/json"] = { schema = envelope(route, named) }
  end
  if content then
    types[content.type] = {
      schema = content.schema and content.schema:openapi(named) or json.object({}),
    }
  end
  return types
end

local function success(route, status, meaning, named)
  local extra = {}
  extra[#extra + 1] = route.versioned and route.returns ~= false and "ETag" or nil
  local has_place = status == 201 or status == 202 and route.returns ~= false
  extra[#extra + 1] = has_place and "Location" or nil
  extra[#extra + 1] = takes_key(route) and "Idempotent-Replayed" or nil
  for _, name in ipairs(route.deprecated and { "Deprecation", "Sunset", "Link" } or {}) do
    extra[#extra + 1] = name
  end
  return {
    description = meaning,
    headers = status ~= 101 and components.headers_of(unpack(extra)) or nil,
    content = not NO_BODY[status] and success_content(route, named) or nil,
  }
end

-- The errors that follow from what the route's table says.
local function failures(route)
  local takes_body = route.body ~= nil or route.multipart ~= nil
  local is_writer = route.method ~= "GET"
  local opens_to_all = route.permissions[1] == "public" or route.permissions[1] == "user"
  return {
    ["400"] = route.query_schema ~= nil or takes_body,
    ["401"] = route.authenticate ~= false,
    ["403"] = not opens_to_all,
    ["404"] = #route.param_names > 0 or route.is_public and route.tenant ~= false,
    ["409"] = takes_key(route),
    ["412"] = route.versioned and is_writer,
    ["413"] = takes_body,
    ["415"] = takes_body,
    ["422"] = route.ruled,
    ["429"] = true,
    ["503"] = true,
    default = true,
  }
end

local function responses(route, named)
  local out = json.object({})
  local has_success = false
  for status, applies in pairs(failures(route)) do
    out[status] = applies and components.failure(status) or nil
  end
  for status, meaning in pairs(route.answers or {}) do
    local key = tostring(status)
    if status < 400 or status == route.also then
      out[key] = success(route, status, meaning, named)
      has_success = has_success or status < 400
    else
      out[key] = components.failure(key, meaning)
    end
  end
  if not has_success then
    out["200"] = success(route, 200, "done", named)
  end
  if route.versioned and route.method == "GET" then
    out["304"] = success(route, 304, "the caller has this version", named)
  end
  return out
end

local function security(route)
  if not route.is_public then
    return nil -- that of the document
  elseif route.authenticate == false then
    return json.array({})
  end
  return { json.object({}), { bearer = json.array({}) }, { apiKey = json.array({}) } }
end

--- The operation of a route.
-- @param names of the path's parameters, as the path's template has them
-- @param named takes the schemas that have a name
function M.of(route, names, named)
  local permissions = route.permissions
  return {
    operationId = operation_id(route),
    summary = route.summary,
    description = route.describe,
    tags = { route.module },
    parameters = parameters(route, names, named),
    requestBody = request_body(route, named),
    responses = responses(route, named),
    deprecated = route.deprecated and true or nil,
    security = security(route),
    ["x-permission"] = #permissions == 1 and permissions[1] or permissions,
    ["x-rate-class"] = route.rate,
  }
end

return M
