local conditions = require("core.conditions")

local MODIFIED_MS = 784111777500 -- Sun, 06 Nov 1994 08:49:37.500
local DATE = "Sun, 06 Nov 1994 08:49:37 GMT"

local function evaluate(headers, etag, modified_ms)
  local req = { header = function(_, name)
    return headers[name]
  end }
  return conditions.evaluate(req, etag, modified_ms)
end

describe("conditions", function()
  it("read the three forms of a date (RFC 9110 5.6.7)", function()
    for _, text in ipairs({ DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" }) do
      assert.equal(784111777000, conditions.parse_date(text), text)
    end
    for _, text in ipairs({ "", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Foo 1994 08:49:37 GMT",
      "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT" }) do
      assert.is_nil(conditions.parse_date(text), text)
    end
    assert.equal(DATE, conditions.http_date(MODIFIED_MS))
  end)

  it("let If-None-Match compare weakly, in lists (13.1.2)", function()
    for header, tag in pairs({
      ['"v1"'] = "v1", ['W/"v1"'] = "v1", ['"a", "v1"'] = "v1", ['"a,b" ,W/"v1","c"'] = "v1", ["*"] = "v1",
      ['"v1-gzip"'] = "v1-gzip",
    }) do
      local result, held = evaluate({ ["if-none-match"] = header }, "v1")
      assert.equal("held", result, header)
      assert.equal(tag, held)
    end
    for _, header in ipairs({ '"v2"', "v1", '"v1', '"*"', '"v1-gzip-gzip"', "" }) do
      assert.is_nil(evaluate({ ["if-none-match"] = header }, "v1"), header)
    end
    assert.is_nil(evaluate({ ["if-none-match"] = "*" }, nil))
  end)

  it("let If-Match compare strongly (13.1.1)", function()
    for _, header in ipairs({ '"v1"', '"a", "v1"', "*", '"v1-gzip"' }) do
      assert.is_nil(evaluate({ ["if-match"] = header }, "v1"), header)
    end
    for _, header in ipairs({ '"v2"', 'W/"v1"', "v1", "" }) do
      assert.equal("failed", evaluate({ ["if-match"] = header }, "v1"), header)
    end
  end)

  it("go by dates only where there is no tag to go by (13.1.3, 13.1.4)", function()
    local before, after = "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
    assert.equal("held", evaluate({ ["if-modified-since"] = DATE }, nil, MODIFIED_MS))
    assert.equal("held", evaluate({ ["if-modified-since"] = after }, "v1", MODIFIED_MS))
    assert.is_nil(evaluate({ ["if-modified-since"] = before }, "v1", MODIFIED_MS))
    assert.is_nil(evaluate({ ["if-modified-since"] = after, ["if-none-match"] = '"v2"' }, "v1", MODIFIED_MS))
    assert.is_nil(evaluate({ ["if-modified-since"] = after }, "v1", nil))
    assert.is_nil(evaluate({ ["if-modified-since"] = "rubbish" }, "v1", MODIFIED_MS))
    assert.equal("failed", evaluate({ ["if-unmodified-since"] = before }, "v1", MODIFIED_MS))
    assert.is_nil(evaluate({ ["if-unmodified-since"] = DATE }, "v1", MODIFIED_MS))
    assert.is_nil(evaluate({ ["if-unmodified-since"] = before, ["if-match"] = '"v1"' }, "v1", MODIFIED_MS))
  end)

  it("are looked at in order: a failed If-Match goes before a held tag (13.2.2)", function()
    assert.equal("failed", evaluate({ ["if-match"] = '"v2"', ["if-none-match"] = '"v1"' }, "v1"))
  end)
end)

describe("a range", function()
  local function of(header, size, condition)
    local first, length = conditions.range(header, condition, size, "v1", MODIFIED_MS)
    return first and first .. "+" .. length or first
  end

  it("is a first and a last byte, a first, or a suffix (RFC 9110 14.1.2)", function()
    for header, expected in pairs({
      ["bytes=0-0"] = "0+1", ["bytes=0-9"] = "0+10", ["bytes=3-5"] = "3+3", ["bytes=5-"] = "5+5", ["bytes=9-"] = "9+1",
      ["bytes=8-99999999999999999999"] = "8+2", ["bytes=-1"] = "9+1", ["bytes=-10"] = "0+10", ["bytes=-11"] = "0+10",
      ["BYTES=0-1"] = "0+2", ["bytes= ,0-1 ,"] = "0+2",
    }) do
      assert.equal(expected, of(header, 10), header)
    end
  end)

  it("is refused when it lies outside", function()
    for _, header in ipairs({ "bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999-" }) do
      assert.is_false(of(header, 10), header)
    end
    assert.is_false(of("bytes=0-", 0))
    assert.is_false(of("bytes=-0", 0))
  end)

  it("is passed over when it is none, or several, or of all of nothing", function()
    for _, header in ipairs({ "bytes=5-3", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes 0-1",
      "bytes=--1", "bytes=+0-1", "" }) do
      assert.is_nil(of(header, 10), header)
    end
    assert.is_nil(of("bytes=-5", 0))
    assert.is_nil(of(nil, 10))
  end)

  it("counts only for the same bytes (13.1.5)", function()
    assert.equal("0+1", of("bytes=0-0", 10, '"v1"'))
    assert.equal("0+1", of("bytes=0-0", 10, DATE))
    for _, condition in ipairs({ '"v2"', 'W/"v1"', '"v1-gzip"', "v1", "*", "Sun, 06 Nov 1994 08:49:38 GMT" }) do
      assert.is_nil(of("bytes=0-0", 10, condition), condition)
    end
  end)
end)
