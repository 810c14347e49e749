local context = require("core.context")

describe("the context of a request", function()
  local asked

  local function request(answer)
    asked = 0
    return { id = function()
      asked = asked + 1
      return answer()
    end }
  end

  it("asks for what the request is called once, when it is wanted", function()
    local ctx = context.of_request({ req = request(function() return "a" end) })
    assert.equal(0, asked)
    assert.equal("a", ctx.request_id)
    assert.equal("a", ctx.request_id)
    assert.equal(1, asked)
  end)

  it("has no name behind the end of the request, and raises nothing", function()
    local ctx = context.of_request({ req = request(function() error("the request is over") end) })
    assert.is_nil(ctx.request_id)
  end)
end)
