-- Rows as JSON, and the same shapes on rows that are tables.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local shape = require("core.shape")

describe("a shape", function()
  local ctx = context.system({ name = "spec" })

  local function write(made, max, sql, ...)
    return db.platform(ctx):shaped(made.compiled, max, sql, ...)
  end

  local FIELDS = {
    { "text", "t" },
    { "nested", { { "whole", "i" }, { "part", "d" }, { "none", "n" } } },
    { "tags", "j", json = true },
    { "missing", "n", is_null = true },
    { "present", "i", is_null = true },
    { "url", "t", before = "/files/", after = "?w=1" },
    { "at", "at" },
    { "said", "i", only = "t", begins = "say" },
    { "unsaid", "i", only = "t", begins = "say so and not otherwise" },
    { "never", "i", only = "n", begins = "x" },
  }
  local ROW = [[SELECT ? AS t, CAST(? AS SIGNED) AS i, 51.4545e0 AS d, NULL AS n,
    '["a",{"b":null}]' AS j, TIMESTAMP'2026-11-20 09:12:44.120' AS at]]

  it("writes values, nested objects, JSON as it is, what is NULL, and what stands around a text",
    function()
      local text, count, kept = write(shape.new(FIELDS, { keep = { "i", "n" } }), 1, ROW,
        'say "é" \\ \1', 9007199254740991)
      assert.equal(1, count)
      assert.same({ i = 9007199254740991 }, kept)
      local value = json.decode(text)
      assert.equal('say "é" \\ \1', value.text)
      assert.same({ whole = 9007199254740991, part = 51.4545 }, value.nested)
      assert.equal("a", value.tags[1])
      assert.is_true(value.missing)
      assert.is_false(value.present)
      assert.equal('/files/say "é" \\ \1?w=1', value.url)
      assert.equal("2026-11-20T09:12:44.120Z", value.at)
      assert.is_nil(text:match('"none"'))
      assert.equal(value.nested.whole, value.said)
      assert.is_nil(text:match('"unsaid"') or text:match('"never"'))
    end)

  it("gives the same rows the same text, in the order of its fields", function()
    local made = shape.new(FIELDS)
    local first = write(made, 1, ROW, "x", 1)
    assert.equal(first, (write(shape.new(FIELDS), 1, ROW, "x", 1)))
    assert.matches('^{"text":"x","nested":{"whole":1,"part":51.4545},"tags":%["a"', first)
  end)

  it("writes no more rows than asked for, and keeps the last of them", function()
    local made = shape.new({ { "n", "seq" } }, { keep = { "seq" } })
    local text, count, kept = write(made, 2, "SELECT seq FROM seq_1_to_5 ORDER BY seq")
    assert.equal('{"n":1},{"n":2}', text)
    assert.equal(5, count)
    assert.same({ seq = 2 }, kept)
    text, count, kept = write(made, 2, "SELECT seq FROM seq_1_to_5 WHERE seq > 9")
    assert.same({ "", 0 }, { text, count })
    assert.is_nil(kept)
  end)

  it("writes the object of the first row and a line of each that has one", function()
    local line = shape.new({ { "m", "m" } })
    local made = shape.new({ { "n", "n" } }, { lines = line, when = "m", keep = { "n" } })
    local text, count, kept, lines = write(made, 1,
      "SELECT 7 AS n, IF(seq = 2, NULL, seq) AS m FROM seq_1_to_3 ORDER BY seq")
    assert.same({ '{"n":7}', 3, '{"m":1},{"m":3}' }, { text, count, lines })
    assert.same({ n = 7 }, kept)
  end)

  it("leaves its object open where further fields follow, and closes those in it", function()
    local made = shape.new({ { "a", "seq" }, { "b", { { "c", "seq" } } } },
      { open = true, when = "seq", lines = shape.new({ { "n", "seq" } }) })
    local text, _, _, lines = write(made, 1, "SELECT seq FROM seq_1_to_2 ORDER BY seq")
    assert.same({ '{"a":1,"b":{"c":1}', '{"n":1},{"n":2}' }, { text, lines })
  end)

  it("works in a transaction, and finds its columns wherever they are", function()
    local made = shape.new({ { "a", "a" }, { "b", "b" } })
    db.transaction(ctx, function(tx)
      local scope = db.platform(tx)
      assert.equal('{"a":1,"b":2}', (scope:shaped(made.compiled, 1, "SELECT 1 AS a, 2 AS b")))
      assert.equal('{"a":1,"b":2}',
        (scope:shaped(made.compiled, 1, "SELECT 0 AS x, 2 AS b, 1 AS a")))
    end)
  end)

  it("refuses a result that lacks a column, and goes on afterwards", function()
    local made = shape.new({ { "a", "a" } })
    for _ = 1, 3 do
      local ok, err = pcall(write, made, 1, "SELECT 1 AS b")
      assert.is_false(ok)
      assert.matches("no column a", tostring(err))
    end
    assert.is_false(pcall(write, made, 1, "DO 1"))
    assert.equal('{"a":1}', (write(made, 1, "SELECT 1 AS a")))
    assert.is_false(pcall(write, made, -1, "SELECT 1 AS a"))
    assert.is_false(pcall(db.shape, { { "a" } }))
    assert.is_false(pcall(db.shape, { { "a", 1, before = 2 } }))
  end)

  it("makes the same of a row that is a table", function()
    local made = shape.new(FIELDS)
    local value = made:of({ t = "x", i = 3, d = 0.5, j = json.array({ "a" }) })
    assert.same({ whole = 3, part = 0.5 }, value.nested)
    assert.is_true(value.missing)
    assert.is_false(value.present)
    assert.equal("/files/x?w=1", value.url)
    assert.same({ "text", "tags" },
      shape.names(shape.pick(FIELDS, { tags = true, text = true })))
  end)

  it("writes a row that is a table as it writes one of the database", function()
    local made = shape.new(FIELDS)
    local row = db.platform(ctx):one(ROW, 'say "é" \\ \1', 7)
    row.j = json.decode(row.j)
    assert.equal((write(made, 1, ROW, 'say "é" \\ \1', 7)), made:text(row))
    assert.equal('{"nested":{},"missing":true,"present":true}', made:text({}))
    assert.equal('{"nested":{"whole":false},"tags":[],"missing":true,"present":false}',
      made:text({ t = json.null, i = false, j = json.array({}) }))
    assert.same(json.decode(made:text(row)), json.decode(json.encode(made:of(row))))
  end)

  it("raises on what is no value, and goes on afterwards", function()
    local made = shape.new({ { "a", "a", json = true }, { "odd name", "no name" } })
    assert.is_false(pcall(made.text, made, { ["no name"] = 0 / 0 }))
    assert.is_false(pcall(made.text, made, { ["no name"] = {} }))
    assert.is_false(pcall(made.text, made, { a = print }))
    assert.equal('{"a":[2],"odd name":1.5}', made:text({ a = { 2 }, ["no name"] = 1.5 }))
  end)
end)
