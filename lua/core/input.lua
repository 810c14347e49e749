-- Reads what a request brings: path parameters, query, body. Each route is compiled once into
-- what its reading needs; malformed ids are 404, everything else that is wrong is 400 with all
-- fields at once.

local config = require("core.config")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local router = require("core.router")
local s = require("core.schema")
local text = require("core.schema.text")
local uuid = require("core.uuid")

local M = {}

local COERCE = { coerce = true }
local COERCE_STRICT = { coerce = true, strict = true }
local NOTHING = s.object({})
local API_BASE = "^/api"

-- What there is none of is one table for all requests: nobody may write to it.
local SHARED = {
  __newindex = function()
    error("the parameters of a request are not to be written to", 2)
  end,
}
local NONE = setmetatable({}, SHARED)
local NOTHING_GIVEN = setmetatable({ params = NONE, query = NONE }, SHARED)

local BODY_ERRORS = {
  TOO_LARGE = "PAYLOAD_TOO_LARGE",
  TOO_MANY = "VALIDATION_ERROR",
  INVALID = "BAD_REQUEST",
  TIMEOUT = "TIMEOUT",
  CLOSED = "BAD_REQUEST",
}

local function not_found()
  errors.raise("NOT_FOUND", "There is nothing here")
end

-- By its name, where no schema describes it; else by the schema, where that asks for a UUID alone.
local function is_id(name, described)
  if described then
    return described.format == "uuid" and not (described.pattern or described.min or described.max
      or described.trim)
  end
  return name == "id" or name:find("_id$") ~= nil or name:find("Id$") ~= nil
end

-- Whether reading the parameters as ids leaves nothing for their schema to say.
local function are_ids(params, names, ids)
  for i = 1, #names do
    if not ids[i] then
      return false
    end
  end
  return #params.names == #names and not params.check
end

-- How many files a part takes: a number, or the setting that says it ("files.report_photos").
local function compile_parts(route)
  for _, rule in pairs(route.multipart or {}) do
    if type(rule) == "table" and type(rule.max) == "string" then
      local section, key = rule.max:match("^(%w+)%.([%w_]+)$")
      rule.max = config.get()[section][key]
    end
  end
end

--- Compiles what reading the input of a route needs.
-- @param route a route of the registry
-- @param names the parameters of its path, in order
function M.compile(route, names)
  local ids = {}
  for i, name in ipairs(names) do
    ids[i] = is_id(name, route.params and route.params.fields[name])
  end
  route.param_names, route.param_ids = names, ids
  if route.params and not are_ids(route.params, names, ids) then
    route.param_schema = route.params
  end
  route.query_schema = route.query or route.base:find(API_BASE) and NOTHING or nil
  compile_parts(route)
  route.takes_body = route.body ~= nil or route.multipart ~= nil
end

-- An id is taken as it is written; only what is none may be an encoded one.
local function read_param(value, is_an_id)
  if is_an_id and uuid.is(value) then
    return value:lower()
  end
  local decoded = router.decode(value)
  if not decoded or not text.is_utf8(decoded) then
    not_found()
  elseif not is_an_id then
    return decoded
  elseif not uuid.is(decoded) then
    not_found()
  end
  return decoded:lower()
end

--- The parameters of the path; 404 when they are malformed.
function M.params(route, values)
  local names = route.param_names
  if #names == 0 then
    return NONE
  end
  local params = {}
  for i = 1, #names do
    params[names[i]] = read_param(values[i], route.param_ids[i])
  end
  if route.param_schema then
    local clean, problems = route.param_schema:validate(params, COERCE)
    if problems then
      not_found()
    end
    for name, value in pairs(clean) do
      params[name] = value
    end
  end
  return params
end

local function decode_plus(value)
  local decoded = router.decode((value:gsub("+", " ")))
  if not decoded then
    errors.raise("BAD_REQUEST", "The query is not percent-encoded correctly")
  end
  return decoded
end

--- Reads a query or a form: {name = text}, or {name = array of texts} for repeated names.
function M.parse_query(query)
  local values, count = {}, 0
  local most = config.get().http.max_query_parameters
  for pair in query:gmatch("[^&]+") do
    count = count + 1
    if count > most then
      errors.raise("BAD_REQUEST", "The query has too many parameters")
    end
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name, value = decode_plus(name), decode_plus(value)
    local earlier = values[name]
    if earlier == nil then
      values[name] = value
    elseif type(earlier) == "table" then
      earlier[#earlier + 1] = value
    else
      values[name] = { earlier, value }
    end
  end
  return values
end

local function body_failed(err)
  if err.code == "DISK_FULL" then
    error(errors.from_host(err), 0)
  end
  local code = BODY_ERRORS[err.code]
  if not code then
    error(errors.from_host(err), 0)
  end
  local details = err.field and { { field = err.field, code = "length", message = err.message } }
  errors.raise(code, err.message, { details = details })
end

--- Decodes a JSON body, or raises 400 INVALID_JSON with the byte where it went wrong.
function M.decode_json(body)
  local value, err = json.decode(body, { max_depth = config.get().http.max_json_depth })
  if value == nil then
    errors.raise("INVALID_JSON", err.message, {
      details = { { field = "", code = "json", message = err.message, offset = err.offset } },
    })
  end
  return value
end

local function media_type(ctx)
  local header = ctx.req:header("content-type") or ""
  return (header:match("^%s*([^;%s]+)") or ""):lower()
end

local function unsupported(route)
  errors.raise("UNSUPPORTED_MEDIA_TYPE", route.multipart and not route.body
    and "The body must be multipart/form-data"
    or "The body must be application/json" .. (route.multipart and " or multipart/form-data" or "")
      .. (route.text and " or text" or ""))
end

local function multipart_options(route)
  local files = 0
  for _, rule in pairs(route.multipart) do
    if type(rule) == "table" then
      files = files + (rule.max or 1)
    end
  end
  local limits = config.get()
  return {
    max_file = limits.files.max_bytes,
    max_files = files,
    max_fields = limits.http.max_form_fields,
    max_text = route.max_body or limits.http.max_body_bytes,
    dir = limits.server.data .. "/tmp",
  }
end

-- Parts may be named "photos" or "photos[]".
local function sort_files(route, form, problems)
  local files = {}
  for name, rule in pairs(route.multipart) do
    if type(rule) == "table" then
      files[name] = {}
    end
  end
  for _, file in ipairs(form.files) do
    local name = file.name:gsub("%[%]$", "")
    local list = files[name]
    if not list then
      problems[#problems + 1] = { field = name, code = "unknown", message = "takes no file" }
    else
      list[#list + 1] = file
    end
  end
  for name, list in pairs(files) do
    local max = route.multipart[name].max or 1
    if #list > max then
      problems[#problems + 1] = { field = name, code = "length",
        message = "must have at most " .. max .. (max == 1 and " file" or " files") }
    end
    if #list == 0 and route.multipart[name].required then
      problems[#problems + 1] = { field = name, code = "required", message = "is required" }
    end
  end
  return files
end

-- The text that stands for all fields, or nil. Browsers send what is made as JSON as a file: it
-- becomes the field that it is, for who compares requests, too.
local function data_of(route, form)
  local name = route.multipart.data
  if type(name) ~= "string" then
    return nil
  end
  for i, file in ipairs(form.files) do
    if file.name == name then
      table.remove(form.files, i)
      local data, err = fs.read(file.path, config.get().http.max_body_bytes)
      form.fields[name] = data or body_failed(err)
      break
    end
  end
  return form.fields[name]
end

local function read_multipart(ctx, route)
  local form, err = ctx.req:multipart(multipart_options(route))
  if not form then
    body_failed(err)
  end
  ctx.form = form
  local problems, data = {}, data_of(route, form)
  local files = sort_files(route, form, problems)
  if #problems > 0 then
    errors.validation(problems)
  end
  if data then
    return M.decode_json(data), files, nil
  end
  return form.fields, files, COERCE
end

-- Nothing here unpacks a body: what comes out of one could be of any size.
local function refuse_coding(req)
  local coding = req:header("content-encoding")
  if coding and coding:lower() ~= "identity" then
    errors.raise("UNSUPPORTED_MEDIA_TYPE", "The body must not be compressed",
      { headers = { ["Accept-Encoding"] = "identity" } })
  end
end

-- A body that is text, as the field of the object that it stands for.
local function read_text(field, body)
  if not text.is_utf8(body) then
    errors.validation({ { field = field, code = "format", message = "must be UTF-8" } })
  end
  return { [field] = body }
end

--- Reads the body of a request without validating it.
-- @return the decoded value (an empty table when there is no body), the uploaded files, and the
--   options with which it is to be validated
function M.read_body(ctx, route)
  local req, type_name = ctx.req, media_type(ctx)
  local field = route.text and route.text[type_name]
  if not req:has_body() then -- which is a text as well, where its type says so
    return field and read_text(field, "") or {}, {}, nil
  end
  refuse_coding(req)
  if route.multipart and type_name == "multipart/form-data" then
    return read_multipart(ctx, route)
  end
  local is_json = type_name == "application/json" or type_name:find("^application/.+%+json$")
  if not field and (not route.body or not is_json) then
    unsupported(route)
  end
  local body, err = req:body(route.max_body or config.get().http.max_body_bytes)
  if not body then
    body_failed(err)
  end
  ctx.body_text = body
  if field then
    return read_text(field, body), {}, nil
  elseif body == "" then
    return {}, {}, nil
  end
  return M.decode_json(body), {}, nil
end

-- Raises one error with all problems. What only the tenant's settings can tell (its categories) is
-- told together with the rest. Apart from M.read: a function that holds a closure is not compiled.
local function raise_problems(ctx, route, input, all, more)
  for _, problem in ipairs(more) do
    all[#all + 1] = problem
  end
  if route.check then
    route.check(ctx, input, function(field, code, message)
      all[#all + 1] = { field = field, code = code, message = message }
    end)
  end
  if #all > 0 then
    errors.validation(all)
  end
end

--- Validates everything, and raises one error with all problems of query and body.
-- @param body, files, options what read_body returned; body nil when the route takes none
function M.read(ctx, route, values, body, files, options)
  local params, schema = M.params(route, values), route.query_schema
  local has_query = schema and (ctx.query ~= "" or #schema.names > 0)
  if params == NONE and not has_query and not route.takes_body and not route.check then
    return NOTHING_GIVEN
  end
  local input = { params = params, query = NONE, files = files }
  local query_problems, body_problems
  if has_query then
    input.query, query_problems = schema:validate(M.parse_query(ctx.query), COERCE_STRICT)
  end
  if route.body then
    input.body, body_problems = route.body:validate(body, options)
  elseif route.multipart then
    input.body = body
  end
  if query_problems or body_problems or route.check then
    raise_problems(ctx, route, input, query_problems or {}, body_problems or {})
  end
  return input
end

return M
