-- What Lua reads of a request, changed at random many times over: it is read or refused in the way
-- that its reader promises, and never raises anything else. A failure names the seed.
local conditions = require("core.conditions")
local cursor = require("core.cursor")
local errors = require("core.errors")
local etag = require("core.etag")
local formats = require("core.schema.formats")
local input = require("core.input")
local router = require("core.router")
local text = require("core.schema.text")
local trace = require("core.trace")

local ROUNDS = 4000
local SEED = tonumber(os.getenv("SEED")) or os.time()

-- A generator of our own: the same seed is the same run, whoever else draws numbers.
local state
local function draw(limit)
  state = (state * 1103515245 + 12345) % 2147483648
  return math.floor(state / 65536) % limit
end

local WORDS = { "%", "%00", "%ff", "&", "=", "+", ";", ",", '"', "W/", "*", "-", "--", "bytes=", "..",
  "\0", "\255", "\195", "\240\159\152\128", " ", "\t", "9999999999999999999999", "0", "-1", "1e9", "/",
  "//", "/../", ("a"):rep(300), ("1"):rep(40) }

local CHANGES = {
  function(value, at) -- another byte
    return value:sub(1, at - 1) .. string.char(draw(256)) .. value:sub(at + 1)
  end,
  function(value, at) -- fewer
    return value:sub(1, at - 1) .. value:sub(at + draw(5))
  end,
  function(value, at) -- a word more
    return value:sub(1, at - 1) .. WORDS[draw(#WORDS) + 1] .. value:sub(at)
  end,
  function(value, at) -- a part twice
    local part = value:sub(at, at + draw(20))
    return value:sub(1, at) .. part:rep(1 + draw(3)) .. value:sub(at)
  end,
  function(value, at) -- cut off
    return value:sub(1, at)
  end,
}

local function change(value)
  for _ = 0, draw(5) do
    value = CHANGES[draw(#CHANGES) + 1](value, draw(#value + 1) + 1)
  end
  return value:sub(1, 5000)
end

--- Calls read(changed sample, is_changed) many times. What it raises must be one of `codes`.
local function try(samples, codes, read)
  state = SEED
  for round = 1, ROUNDS do
    local sample = samples[draw(#samples) + 1]
    local value = round <= #samples and samples[round] or change(sample)
    local ok, problem = pcall(read, value)
    if not ok and not (errors.is(problem) and codes[problem.code]) then
      error(("SEED=%d, %q: %s"):format(SEED, value, tostring(errors.is(problem) and problem.code
        or problem)))
    end
  end
end

-- The host lets no control character through in a request's target.
local function as_sent(value)
  return (value:gsub("[%c%z]", ""))
end

local REFUSED = { VALIDATION_ERROR = true, BAD_REQUEST = true }
local DATE = "Sun, 06 Nov 1994 08:49:37 GMT"

describe("any bytes", function()
  it("are a cursor of ours only as we made it", function()
    local made = { cursor.encode({ s = "-createdAt", l = "/x t", v = { "2026-01-01T00:00:00.000Z", 7 } }),
      cursor.encode({}) }
    try(made, REFUSED, function(value)
      assert(type(cursor.decode(value)) == "table")
      assert(value == made[1] or value == made[2], "taken, and not ours")
    end)
  end)

  it("are a query of names and texts", function()
    try({ "status=a,b&q=two+words&bbox=1,2,3,4", "a=1&a=2&a=3", "%F0%9F%98%80=%25", "a", "=", "" }, REFUSED,
      function(value)
        for name, found in pairs(input.parse_query(as_sent(value))) do
          assert(type(name) == "string" and not name:find("%z"))
          for _, one in ipairs(type(found) == "table" and found or { found }) do
            assert(type(one) == "string" and not one:find("%z") and #one <= #value)
          end
        end
      end)
  end)

  it("are a path that decodes, or none", function()
    local routes = router.new()
    for i, path in ipairs({ "/", "/reports", "/reports/:id", "/reports/:id/photos", "/reports/track/:code" }) do
      routes:add("GET", path, i)
    end
    try({ "/reports/01a1fe30/photos", "/reports/track/ABC%20D", "/", "/reports//", "/%2e%2e/x" }, {}, function(value)
      value = as_sent(value)
      local decoded = router.decode(value)
      assert(decoded == nil or #decoded <= #value and not decoded:find("%z"))
      local leaf, values = routes:match("/" .. value)
      for i = 1, leaf and #values or 0 do
        assert(values[i] ~= "" and not values[i]:find("/", 1, true))
      end
    end)
  end)

  it("ask for a part inside of the file, or for none", function()
    local size = 0
    try({ "bytes=0-9", "bytes=-5", "bytes=10-", "BYTES=1-1", "bytes=0-1,3-4", "bytes= 1-2 ,", "items=1-2" }, {},
      function(value)
        size = draw(30)
        for _, condition in ipairs({ false, '"v1"', value, DATE }) do
          local first, length = conditions.range(value, condition or nil, size, "v1", 784111777000)
          if first then
            assert(first >= 0 and length > 0 and first + length <= size, first .. "+" .. length)
          end
        end
      end)
  end)

  it("are a date with a time, or none", function()
    try({ DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" }, {}, function(value)
      local ms = conditions.parse_date(value)
      assert(ms == nil or type(ms) == "number" and ms == ms and math.abs(ms) < 1e15)
    end)
  end)

  it("are tags that hold, or do not", function()
    local headers
    local req = { header = function(_, name)
      return headers[name]
    end }
    try({ '"v1"', 'W/"v1"', '"a", W/"v1-gzip"', "*", '"', DATE }, {}, function(value)
      for _, name in ipairs({ "if-match", "if-none-match", "if-modified-since", "if-unmodified-since" }) do
        headers = { [name] = value }
        local result, tag = conditions.evaluate(req, "v1", 784111777500)
        assert(result == nil or result == "failed" or result == "held")
        assert(tag == nil or result == "held" and (tag == "v1" or tag == "v1-gzip"), tag)
      end
    end)
  end)

  it("are a version to compare, or none that there is", function()
    try({ '"7"', '"7-abc"', 'W/"7"', "*", '"7", "8"' }, {}, function(value)
      local ctx = { req = { header = function()
        return value
      end } }
      for version in pairs(etag.wanted_versions(ctx) or {}) do
        assert(type(version) == "number")
      end
    end)
  end)

  it("belong to a trace that they name, or to a new one", function()
    try({ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "cc-0af7651916cd43dd8448eb211c80319c-"
      .. "b7ad6b7169203331-01-more" }, {}, function(value)
      local id = trace.read(value).id
      assert(#id == 32 and id:find("^[%da-f]+$") and id:find("[^0]"), id)
    end)
  end)

  it("are UTF-8 that can be cut and counted, or none", function()
    try({ "aé€\240\159\152\128", " \t x \n", "" }, {}, function(value)
      if text.is_utf8(value) then
        assert(text.length(value) <= #value)
        assert(text.is_utf8(text.trim(value)))
      end
    end)
  end)

  it("are what a format says, or nil", function()
    local samples = { "a@b.example", "+44 117 496 0000", "https://example.org/x?y#z", "2026-11-20T09:12:44.120Z",
      "2026-02-30", "01a1fe30-4a20-7801-8518-f6b2802ed6f8" }
    for name, format in pairs(formats) do
      try(samples, {}, function(value)
        local clean = format.read(value)
        assert(clean == nil or #tostring(clean) <= #value + 40, name)
      end)
    end
  end)
end)
