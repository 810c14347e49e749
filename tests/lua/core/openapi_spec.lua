-- A route's table as an operation of the API's description.

local input = require("core.input")
local operation = require("core.openapi.operation")
local s = require("core.schema")

local THING = s.object({ id = s.string({ format = "uuid" }),
  note = s.string({ optional = true, nullable = true }) }, { name = "Thing" })

local function describe_route(fields, names)
  local route = { method = "GET", base = "/api/v1", path = "/things/:id", summary = "One thing.",
    permissions = { "things.read" }, rate = "standard", module = "things" }
  for name, value in pairs(fields or {}) do
    route[name] = value
  end
  input.compile(route, names or { "id" })
  local named = {}
  return operation.of(route, names or { "id" }, named), named
end

describe("an operation", function()
  it("says what it returns in the envelope, by name", function()
    local described, named = describe_route({ returns = THING })
    local schema = described.responses["200"].content["application/json"].schema
    assert.equal("#/components/schemas/Thing", schema.properties.data["$ref"])
    assert.same({ "id" }, named.Thing.required)
    assert.same({ "string", "null" }, named.Thing.properties.note.type)
    assert.equal("uuid", described.parameters[1].schema.format)
    assert.equal("things.read", described["x-permission"])
  end)

  it("says null, another content, or the same under another status", function()
    local described = describe_route({ returns = false })
    local function schema_of(part, type)
      return part.content[type or "application/json"].schema
    end
    assert.equal("null", schema_of(described.responses["200"]).properties.data.type)
    described = describe_route({ content = { type = "text/plain", schema = s.string() } })
    assert.equal("string", schema_of(described.responses["200"], "text/plain").type)
    described = describe_route({ returns = THING, also = 503, answers = { [503] = "down" } })
    assert.same(schema_of(described.responses["200"]), schema_of(described.responses["503"]))
  end)

  it("tells of conditions where it has versions", function()
    local function has(described, name)
      for _, parameter in ipairs(described.parameters) do
        if parameter["$ref"] == "#/components/parameters/" .. name then
          return true
        end
      end
      return false
    end
    local reading = describe_route({ versioned = true })
    assert.is_true(has(reading, "IfNoneMatch"))
    assert.truthy(reading.responses["304"])
    assert.truthy(reading.responses["200"].headers.ETag)
    local writing = describe_route({ versioned = true, method = "PUT" })
    assert.is_true(has(writing, "IfMatch"))
    assert.truthy(writing.responses["412"])
    local plain = describe_route()
    assert.is_false(has(plain, "IfNoneMatch"))
    assert.is_nil(plain.responses["304"])
    assert.is_true(has(describe_route({ method = "POST", body = THING }), "IdempotencyKey"))
    assert.is_false(has(describe_route({ method = "POST", body = THING, secret = true }),
      "IdempotencyKey"))
  end)

  it("tells that it is to go", function()
    local described = describe_route({ deprecated = { since = "2026-01-01" } })
    assert.is_true(described.deprecated)
    assert.truthy(described.responses["200"].headers.Deprecation)
    assert.is_nil(describe_route().deprecated)
  end)

  it("opens to whom its permission says", function()
    assert.is_nil(describe_route().security)
    assert.equal(3, #describe_route({ is_public = true }).security)
    assert.equal(0, #describe_route({ is_public = true, authenticate = false }).security)
    assert.same({ "things.read", "things.work" },
      describe_route({ permissions = { "things.read", "things.work" } })["x-permission"])
  end)
end)
