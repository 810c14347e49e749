local config = require("core.config")
local context = require("core.context")
local host = require("host.http_client")
local http_client = require("core.http_client")
local trace = require("core.trace")

-- Nobody listens there.
local URL = "http://127.0.0.1:1/"

describe("core.http_client", function()
  local settings, before

  setup(function()
    settings = config.get().http
    before = settings.allow_private
  end)

  teardown(function()
    settings.allow_private = before
  end)

  local function code_of(options)
    local answer, err = http_client.request(options)
    assert.is_nil(answer)
    return err.code
  end

  it("reaches private addresses where that is configured", function()
    settings.allow_private = true
    assert.equal("UNAVAILABLE", code_of({ url = URL }))
    settings.allow_private = false
    assert.equal("REFUSED_ADDRESS", code_of({ url = URL }))
  end)

  it("lets the caller's policy decide", function()
    settings.allow_private = true
    assert.equal("REFUSED_ADDRESS", code_of({ url = URL, policy = {} }))
    settings.allow_private = false
    assert.equal("UNAVAILABLE", code_of({ url = URL, policy = { allow = { "127.0.0.1:1" } } }))
  end)

  it("tells the other server which trace the request is a part of", function()
    local sent
    stub(host, "request", function(options)
      sent = options
      return { status = 200, headers = {}, body = "" }
    end)
    local ctx = context.new({ trace = trace.read(nil) })
    http_client.request({ ctx = ctx, url = URL, headers = { accept = "text/plain" } })
    assert.equal(trace.parent(ctx), sent.headers.traceparent)
    assert.equal("text/plain", sent.headers.accept)
    assert.is_nil(sent.ctx)
    http_client.request({ ctx = ctx, url = URL, headers = { Traceparent = "mine" }, policy = {} })
    assert.same({ Traceparent = "mine" }, sent.headers)
    http_client.request({ url = URL })
    assert.is_nil(sent.headers)
    host.request:revert()
  end)

  it("never reaches the metadata of a cloud", function()
    settings.allow_private = true
    assert.equal("REFUSED_ADDRESS", code_of({ url = "http://169.254.169.254/latest/meta-data/" }))
  end)
end)
