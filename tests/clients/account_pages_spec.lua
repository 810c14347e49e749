-- What people do with their accounts in a browser.
local servers = require("tests.support.server")

describe("the pages about accounts", function()
  it("work in chromium", function()
    local server = servers.start()
    local code, text = servers.shell("node tests/clients/account_pages.js " .. server.port)
    server:stop()
    assert.matches("%d+ passed, 0 failed\n$", text)
    assert.equal(0, code, text)
  end)
end)
