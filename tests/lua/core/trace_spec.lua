local context = require("core.context")
local trace = require("core.trace")

local TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

describe("a trace", function()
  it("is taken from a traceparent of version 00", function()
    assert.same({ id = TRACE, parent = PARENT, flags = "01" },
      trace.read("00-" .. TRACE .. "-" .. PARENT .. "-01"))
  end)

  it("is taken from a later version, which may have more fields", function()
    assert.equal(TRACE, trace.read("cc-" .. TRACE .. "-" .. PARENT .. "-01-what-comes").id)
  end)

  it("is a new one when the header is missing or wrong", function()
    local seen = {}
    for _, header in ipairs({
      "", "00", "ff-" .. TRACE .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. PARENT .. "-01-x",
      "00-" .. TRACE:upper() .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. PARENT:upper() .. "-01",
      "00-" .. ("0"):rep(32) .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. ("0"):rep(16) .. "-01",
      "00-" .. TRACE:sub(2) .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. PARENT .. "-0",
      "0A-" .. TRACE .. "-" .. PARENT .. "-01", "cc-" .. TRACE .. "-" .. PARENT .. "-01x",
    }) do
      local id = trace.read(header).id
      assert.matches("^%x+$", id)
      assert.equal(32, #id)
      assert.not_equal(TRACE, id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(32, #trace.read(nil).id)
  end)

  it("goes on with its id and flags, and a span of the context's own", function()
    local ctx = context.new({ trace = trace.read("00-" .. TRACE .. "-" .. PARENT .. "-00") })
    assert.equal(TRACE, ctx.trace_id)
    local parent = trace.parent(ctx)
    local span = parent:match("^00%-" .. TRACE .. "%-(%x+)%-00$")
    assert.equal(16, #assert(span, parent))
    assert.not_equal(PARENT, span)
    assert.equal(parent, trace.parent(ctx:with({ tenant = { id = "t" } })))
  end)

  it("is begun by a context that has none", function()
    local ctx = context.system({ name = "test" })
    assert.is_nil(ctx.trace_id)
    local id = trace.parent(ctx):match("^00%-(%x+)%-%x+%-01$")
    assert.equal(32, #id)
    assert.equal(id, ctx.trace_id)
  end)

  it("of a request is asked for once, when somebody wants it, and known to what derives from it", function()
    local asked = 0
    local req = { id = function() return "r" end, agent = function() return "a" end }
    function req.trace()
      asked = asked + 1
      return TRACE
    end
    local ctx = context.of_request({ req = req })
    assert.equal(0, asked)
    local derived = ctx:with({ req = false })
    assert.same({ "r", TRACE, "a" }, { derived.request_id, derived.trace_id, derived.user_agent })
    assert.equal(trace.parent(ctx), trace.parent(derived))
    assert.equal(1, asked)
    assert.is_nil(ctx.tenant)
  end)

  it("is handed on as it came by one who does nothing of its own", function()
    local header = "00-" .. TRACE .. "-" .. PARENT .. "-01"
    assert.equal(header, trace.parent(context.new({ trace = trace.pass(header) })))
  end)
end)
