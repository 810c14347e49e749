local config = require("core.config")
local http_client = require("core.http_client")

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

  it("never reaches the metadata of a cloud", function()
    settings.allow_private = true
    assert.equal("REFUSED_ADDRESS", code_of({ url = "http://169.254.169.254/latest/meta-data/" }))
  end)
end)
