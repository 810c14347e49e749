-- A schema as the JSON Schema that OpenAPI 3.1 uses.

local formats = require("core.schema.formats")
local json = require("core.json")

local publish

local KINDS = {
  string = function(schema, out)
    out.type = "string"
    out.minLength, out.maxLength = schema.min, schema.max
    out.format = schema.format and formats[schema.format].openapi
  end,
  integer = function(schema, out)
    out.type = "integer"
    out.minimum, out.maximum = schema.min, schema.max
  end,
  number = function(schema, out)
    out.type = "number"
    out.minimum, out.maximum = schema.min, schema.max
  end,
  boolean = function(_, out)
    out.type = "boolean"
  end,
  enum = function(schema, out)
    out.type = "string"
    out.enum = schema.nullable and json.array({ json.null, unpack(schema.values) })
      or json.array(schema.values)
  end,
  array = function(schema, out, named)
    out.type = "array"
    out.items = publish(schema.of, named)
    out.minItems, out.maxItems = schema.min, schema.max
  end,
  list = function(schema, out, named)
    out.type = "array"
    out.items = publish(schema.of, named)
    out.maxItems = schema.max
  end,
  map = function(_, out)
    out.type = "object"
  end,
  any = function() end,
  either = function(schema, out, named)
    out.anyOf = json.array({})
    for i, choice in ipairs(schema.choices) do
      out.anyOf[i] = publish(choice, named)
    end
  end,
  object = function(schema, out, named)
    local required = {}
    out.type = "object"
    out.properties = json.object({})
    for _, name in ipairs(schema.names) do
      local field = schema.fields[name]
      out.properties[name] = publish(field, named)
      if not field.optional then
        required[#required + 1] = name
      end
    end
    out.required = required[1] and required or nil
  end,
}

local function describe(schema, named)
  local out = json.object({})
  KINDS[schema.kind](schema, out, named)
  out.description = schema.describe
  out.default = schema.default
  if schema.nullable and out.type then
    out.type = { out.type, "null" }
  end
  return out
end

function publish(schema, named)
  if not named or not schema.name then
    return describe(schema, named)
  end
  if not named[schema.name] then
    named[schema.name] = describe(schema, named)
  end
  return { ["$ref"] = "#/components/schemas/" .. schema.name }
end

return publish
