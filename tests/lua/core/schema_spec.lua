local json = require("core.json")
local s = require("core.schema")

local function problems_of(schema, value, options)
  local _, problems = schema:validate(value, options)
  local by_field = {}
  for _, problem in ipairs(problems or {}) do
    by_field[problem.field] = problem.code
  end
  return by_field
end

local function one(field_schema, value, options)
  local clean, problems = s.object({ x = field_schema }):validate({ x = value }, options)
  return clean.x, problems and problems[1]
end

describe("an object", function()
  local schema = s.object({
    title = s.string({ min = 3, max = 10 }),
    severity = s.enum({ "low", "high", optional = true }),
    location = s.object({
      latitude = s.number({ min = -90, max = 90 }),
      tags = s.array({ of = s.string({ max = 3 }), max = 2, optional = true }),
    }, { optional = true }),
  })

  it("keeps what it knows and drops the rest", function()
    local clean, problems = schema:validate({ title = "Hole", other = 1 })
    assert.is_nil(problems)
    assert.same({ title = "Hole" }, clean)
  end)

  it("names every problem at once, by path", function()
    assert.same({
      title = "length",
      severity = "enum",
      ["location.latitude"] = "range",
      ["location.tags[1]"] = "length",
    }, problems_of(schema, {
      title = "ab", severity = "awful",
      location = { latitude = 91, tags = { "abc", "abcd" } },
    }))
  end)

  it("requires what is not optional", function()
    assert.same({ title = "required" }, problems_of(schema, {}))
    assert.same({ title = "required" }, problems_of(schema, { title = json.null }))
    assert.same({ [""] = "required" }, problems_of(schema, nil))
  end)

  it("counts null as absent for optional fields", function()
    local clean, problems = schema:validate({ title = "Hole", severity = json.null })
    assert.is_nil(problems)
    assert.is_nil(clean.severity)
  end)

  it("is no list and no text", function()
    assert.same({ [""] = "type" }, problems_of(schema, json.array({})))
    assert.same({ [""] = "type" }, problems_of(schema, "x"))
    assert.same({ location = "type" }, problems_of(schema, { title = "Hole", location = { 1 } }))
  end)

  it("tells unknown fields only when it is strict", function()
    assert.same({ other = "unknown" },
      problems_of(schema, { title = "Hole", other = 1 }, { strict = true }))
  end)
end)

describe("options of fields", function()
  it("fill in defaults, also false", function()
    local schema = s.object({ a = s.integer({ default = 5 }), b = s.boolean({ default = false }) })
    assert.same({ a = 5, b = false }, (schema:validate({})))
  end)

  it("keep null where it means something", function()
    local schema = s.object({ a = s.string({ nullable = true, optional = true }) })
    assert.equal(json.null, schema:validate({ a = json.null }).a)
    assert.is_nil(schema:validate({}).a)
  end)

  it("must be known to the type", function()
    assert.has_error(function()
      s.string({ maximum = 3 })
    end)
    assert.has_error(function()
      s.string({ format = "postcode" })
    end)
    assert.has_error(function()
      s.object({ a = { type = "string" } })
    end)
  end)
end)

describe("cross-field rules", function()
  local schema = s.object({
    from = s.integer({ optional = true }),
    to = s.integer({ optional = true }),
    place = s.object({ lat = s.number() }, { optional = true }),
  }, {
    check = function(value, problem)
      if value.from and value.to and value.from > value.to then
        problem("to", "range", "must not be before from")
      end
      if not value.place or not value.place.lat then
        problem("place", "required", "is required")
      end
    end,
  })

  it("see the valid fields", function()
    assert.same({ to = "range" }, problems_of(schema, { from = 2, to = 1, place = { lat = 1 } }))
  end)

  it("do not repeat what is known to be wrong", function()
    local _, problems = schema:validate({ place = { lat = "x" } })
    assert.equal(1, #problems)
    assert.equal("place.lat", problems[1].field)
  end)

  it("know what is there, but wrong", function()
    local either = s.object({ id = s.integer({ optional = true }), name = s.string({ optional = true }) }, {
      check = function(value, problem, wrong)
        if value.id == nil and value.name == nil and not wrong.name then
          problem("id", "required", "id or name must be given")
        end
      end,
    })
    assert.same({ id = "required" }, problems_of(either, {}))
    assert.same({ id = "required" }, problems_of(either, { name = json.null }))
    assert.same({ name = "type" }, problems_of(either, { name = 7 }))
    assert.same({}, problems_of(either, { name = "n" }))
  end)
end)

describe("text", function()
  it("is counted in characters", function()
    assert.equal("äöü", (one(s.string({ min = 3, max = 3 }), "äöü")))
    assert.equal("length", select(2, one(s.string({ min = 4 }), "äöü")).code)
    assert.equal("length", select(2, one(s.string({ max = 2 }), "äöü")).code)
  end)

  it("is trimmed before it is measured", function()
    assert.equal("abc", (one(s.string({ trim = true, min = 3 }), "  abc\n")))
    assert.equal("length", select(2, one(s.string({ trim = true, min = 1 }), "   ")).code)
  end)

  it("is trimmed in one pass, however many spaces are in it", function()
    local started = os.clock()
    local text = "a" .. (" "):rep(200000) .. "b"
    assert.equal(text, (one(s.string({ trim = true }), " " .. text .. "\n")))
    assert.equal("", (one(s.string({ trim = true }), (" "):rep(200000))))
    assert.is_true(os.clock() - started < 1) -- a pattern took minutes
  end)

  it("holds no control characters but tab and line ends", function()
    assert.equal("a\tb\r\n", (one(s.string(), "a\tb\r\n")))
    assert.equal("format", select(2, one(s.string(), "a\0b")).code)
    for _, bad in ipairs({ "a\27b", "a\127b", '"12345678"\31', "€12345678\127", "12345678\0\"" }) do
      assert.equal("format", select(2, one(s.string(), bad)).code)
    end
  end)

  it("is valid UTF-8 where nobody else checked that", function()
    local coerce = { coerce = true }
    assert.equal("€ 𝄞", (one(s.string(), "€ 𝄞", coerce)))
    local invalid = { "\255", "\192\128", "\237\160\128", "\244\144\128\128", "\226\130", "\128" }
    for _, bad in ipairs(invalid) do
      assert.equal("format", select(2, one(s.string(), bad, coerce)).code)
    end
  end)

  local FORMATS = {
    email = { good = { "a@b.example", "first.last+tag@mail.example.org" },
      bad = { "a", "a@b", "@b.example", "a b@c.example", "a@b..example", "a@-b.example" } },
    uuid = { good = { "0192f1a4-7c3e-7000-8000-0123456789ab" },
      bad = { "0192f1a4", "0192f1a4-7c3e-7000-8000-0123456789ag", "" } },
    ["date-time"] = {
      good = { "2026-11-20T09:12:44.120Z", "2026-11-20T09:12:44+02:00", "2026-11-20" },
      bad = { "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "yesterday",
        "2026-11-20T24:00:00Z" },
    },
    date = { good = { "2024-02-29" }, bad = { "2026-02-29", "2026-11-20T09:12:44Z" } },
    line = { good = { "Cable hangs, Mill Road", "J\195\188rgen \226\128\147 x", "" },
      bad = { "a\nb", "a\r\nBcc: b", "a\tb", "a\194\133b", "a\226\128\168b", "a\226\128\169b" } },
    phone = { good = { "+44 20 7946 0958", "(020) 7946-0958" }, bad = { "12345", "call me", "+", ("("):rep(30) .. "1234567" } },
    slug = { good = { "riverton", "a-1" }, bad = { "Riverton", "-a", "a_b", "" } },
    url = { good = { "https://example.org/a?b=c", "http://localhost:8080" },
      bad = { "ftp://example.org", "javascript:alert(1)", "https://a b" } },
  }
  for name, samples in pairs(FORMATS) do
    it("of the format " .. name, function()
      local schema = s.string({ format = name })
      for _, value in ipairs(samples.good) do
        local _, problem = one(schema, value)
        assert.is_nil(problem, value)
      end
      for _, value in ipairs(samples.bad) do
        local _, problem = one(schema, value)
        assert.is_table(problem, value)
        assert.equal("format", problem.code)
      end
    end)
  end

  it("gives ids in lower case", function()
    assert.equal("0192f1a4-7c3e-7000-8000-0123456789ab",
      (one(s.string({ format = "uuid" }), "0192F1A4-7C3E-7000-8000-0123456789AB")))
  end)
end)

describe("numbers", function()
  it("are not text in a JSON body", function()
    assert.equal("type", select(2, one(s.integer(), "5")).code)
  end)

  it("are read from text in a query", function()
    local coerce = { coerce = true }
    assert.equal(5, (one(s.integer(), "5", coerce)))
    assert.equal(-5.25, (one(s.number(), "-5.25", coerce)))
    assert.equal(1e3, (one(s.number(), "1e3", coerce)))
    for _, bad in ipairs({ "", " 5", "0x10", "5x", "inf", "nan", "1e999", ("9"):rep(40) }) do
      assert.equal("type", select(2, one(s.number(), bad, coerce)).code, bad)
    end
    assert.equal("type", select(2, one(s.integer(), "5.5", coerce)).code)
  end)

  it("are finite and, where asked, whole", function()
    assert.equal("type", select(2, one(s.number(), 0 / 0)).code)
    assert.equal("type", select(2, one(s.number(), math.huge)).code)
    assert.equal("type", select(2, one(s.integer(), 1.5)).code)
    assert.equal("type", select(2, one(s.integer(), 2 ^ 60)).code)
  end)

  it("stay in their range", function()
    local _, problem = one(s.number({ min = -90, max = 90 }), 91)
    assert.same({ field = "x", code = "range", message = "must be between -90 and 90" }, problem)
  end)
end)

describe("numbers with decimals", function()
  it("are rounded when they are taken in", function()
    local degrees = s.number({ decimals = 7 })
    assert.equal(51.4569, (one(degrees, 51.456900000000005)))
    assert.equal(-2.5879, (one(degrees, -2.58789999999999)))
    assert.equal(0, (one(degrees, 1e-9)))
  end)
end)

describe("a text that is cut", function()
  local text = require("core.schema.text")

  it("keeps whole characters", function()
    assert.same({ "a€", "a", "a", "a", "" }, { text.cut("a€", 4), text.cut("a€", 3), text.cut("a€", 2),
      text.cut("a€b", 1), text.cut("€", 0) })
    assert.same({ "ab", "", "\255" }, { text.cut("ab", 9), text.cut(("\128"):rep(9), 5), text.cut("\255\255", 1) })
  end)
end)

describe("lists", function()
  it("come as one text or as a repeated parameter", function()
    local schema = s.list({ of = s.enum({ "a", "b" }) })
    assert.same({ "a", "b" }, (one(schema, "a,b", { coerce = true })))
    assert.same({ "a", "b" }, (one(schema, { "a", "b" }, { coerce = true })))
    assert.equal("enum", select(2, one(schema, "a,c", { coerce = true })).code)
    assert.equal("enum", select(2, one(schema, "", { coerce = true })).code)
  end)

  it("may be empty tables when they come from Lua", function()
    local lua = { from_lua = true }
    for _, schema in ipairs({ s.array(), s.list(), s.either({ s.string(), s.array() }) }) do
      assert.equal("[]", json.encode((one(schema, {}, lua))))
      assert.equal("type", select(2, one(schema, {})).code)
      assert.equal("type", select(2, one(schema, { a = 1 }, lua)).code)
    end
    assert.equal("length", select(2, one(s.array({ min = 1 }), {}, lua)).code)
    assert.same({}, (one(s.object({}), {}, lua)))
    assert.same({}, (one(s.map(), {}, lua)))
    assert.equal("{}", json.encode((one(s.any(), {}, lua))))
  end)

  it("with gaps are judged by what is known", function()
    local schema = s.object({ a = s.array({ of = s.integer(), optional = true }), b = s.list({ optional = true }),
      c = s.string(), d = s.either({ s.string(), s.object({ e = s.integer() }) }) },
      { check = function(_, problem) problem("c", "check", "is asked") end })
    local gaps = { gaps = true, from_lua = true, strict = true }
    assert.same({}, problems_of(schema, { a = { 1, json.null }, b = { json.null, "x" }, c = json.null,
      d = { e = json.null } }, gaps))
    assert.same({ ["a[1]"] = "type", c = "required", x = "unknown" },
      problems_of(schema, { a = { json.null, "1" }, d = json.null, x = json.null }, gaps))
    assert.same({ c = "check" }, problems_of(schema, { c = "c", d = "d" }, gaps))
  end)

  it("of a query hold texts", function()
    for _, value in ipairs({ { {} }, { "a", true }, { a = "b" } }) do
      assert.equal("type", select(2, one(s.list(), value)).code)
    end
  end)

  it("stay lists when they are empty", function()
    local clean = one(s.array({ of = s.string() }), json.array({}))
    assert.equal("[]", json.encode(clean))
    assert.equal("type", select(2, one(s.array(), {})).code)
    assert.equal("[]", json.encode((one(s.list(), json.array({})))))
  end)

  it("hold no null", function()
    assert.equal("type", select(2, one(s.array({ of = s.string() }), { json.null })).code)
  end)
end)

describe("maps", function()
  it("take any keys within their size", function()
    assert.same({ a = { b = 1 } }, (one(s.map(), { a = { b = 1 } })))
    assert.equal("length", select(2, one(s.map({ max_bytes = 20 }), { a = ("x"):rep(30) })).code)
    assert.equal("type", select(2, one(s.map(), { 1, 2 })).code)
  end)

  it("leave room for what they are kept in: none is nested too deep", function()
    local function nested(levels)
      return levels == 0 and 1 or { a = nested(levels - 1) }
    end
    assert.is_nil(select(2, one(s.map(), nested(16))))
    assert.equal("depth", select(2, one(s.map(), nested(17))).code)
  end)
end)

describe("the published form", function()
  it("says the same as the validation", function()
    local schema = s.object({
      title = s.string({ min = 3, max = 200, describe = "what is wrong" }),
      severity = s.enum({ "low", "high", default = "low" }),
      tags = s.array({ of = s.string(), max = 5, optional = true }),
    })
    assert.same({
      type = "object",
      required = { "title" },
      properties = {
        title = { type = "string", minLength = 3, maxLength = 200, description = "what is wrong" },
        severity = { type = "string", enum = { "low", "high" }, default = "low" },
        tags = { type = "array", items = { type = "string" }, maxItems = 5 },
      },
    }, json.decode(json.encode(schema:openapi())))
  end)

  it("names what may be null, and what fits one of several", function()
    local schema = s.either({ s.enum({ "low", "high", nullable = true }), s.array({}) })
    assert.same({ anyOf = {
      { type = { "string", "null" }, enum = { json.null, "low", "high" } },
      { type = "array", items = {} },
    } }, json.decode(json.encode(schema:openapi())))
  end)

  it("refers to objects by their names where it is asked to", function()
    local thing = s.object({ id = s.string() }, { name = "Thing" })
    local named = {}
    assert.same({ type = "array", items = { ["$ref"] = "#/components/schemas/Thing" } },
      s.array({ of = thing }):openapi(named))
    assert.same({ "id" }, named.Thing.required)
    assert.equal("object", s.array({ of = thing }):openapi().items.type)
  end)
end)

describe("one of several", function()
  it("takes what fits any of them, and tells what is wrong by the first", function()
    local schema = s.object({ value = s.either({ s.integer({ min = 1 }),
      s.object({ id = s.integer() }) }) })
    assert.same({ value = 5 }, (schema:validate({ value = 5 })))
    assert.same({ value = { id = 7 } }, (schema:validate({ value = { id = 7, more = 1 } })))
    local _, problems = schema:validate({ value = 0 })
    assert.same({ { field = "value", code = "range", message = "must be at least 1" } }, problems)
    assert.equal(1, #select(2, schema:validate({ value = "x" })))
  end)
end)
