-- What If-Match names of rows that carry a version.

local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")

local function wanted(header)
  return etag.wanted_versions({ req = { header = function(_, name)
    return name == "if-match" and header or nil
  end } })
end

describe("the versions that a request names", function()
  it("are any when it names none", function()
    assert.is_nil(wanted(nil))
    assert.is_nil(wanted("*"))
    assert.is_nil(etag.wanted_versions({}))
  end)

  it("are those of its strong tags, of one or of several (RFC 9110 13.1.1)", function()
    assert.same({ [7] = true }, wanted('"7-abc"'))
    assert.same({ [7] = true }, wanted(' "7-abc-gzip" '))
    assert.same({ [7] = true, [8] = true }, wanted('"7-abc", "other" ,"8-def"'))
    assert.same({ [8] = true }, wanted('W/"7-abc", "8-def"'))
  end)

  it("are none when its tags are none of ours", function()
    for _, header in ipairs({ 'W/"7-abc"', '"abc"', '""', "7", "", '"', "**" }) do
      assert.same({}, wanted(header), header)
    end
  end)

  it("refuse a row of any other", function()
    etag.require_version(nil, 3, "It")
    etag.require_version({ [2] = true, [3] = true }, 3, "It")
    for _, versions in ipairs({ {}, { [2] = true } }) do
      local ok, err = pcall(etag.require_version, versions, 3, "It")
      assert.is_false(ok)
      assert.is_true(errors.is(err, "PRECONDITION_FAILED"))
    end
  end)

  it("are found in what was sent as a tag", function()
    assert.same({ [12] = true }, wanted('"' .. etag.of(12, { a = 1 }) .. '"'))
    assert.same({ [12] = true }, wanted('"' .. etag.of_text("{}", 12) .. '"'))
  end)

  it("are of what is shown, put together or not", function()
    assert.equal(etag.of_text('{"a":1}', 2), etag.of_text(json.raw('{"a":', "1", "}"), 2))
    assert.equal(etag.of(2, { a = 1 }), etag.of_text('{"a":1}', 2))
    assert.are_not.equal(etag.of_text("{}", 2), etag.of_text("[]", 2))
  end)
end)
