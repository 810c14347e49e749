-- testssl.sh looks at the TLS listener: protocols, ciphers, forward secrecy, known attacks.
local servers = require("tests.support.server")

describe("testssl.sh", function()
  local folder, server

  setup(function()
    folder = os.tmpname()
    servers.shell("rm -f " .. folder .. "; mkdir " .. folder)
    local code, text = servers.shell(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      .. "-days 2 -subj /CN=localhost -keyout %s/key.pem -out %s/chain.pem"):format(folder, folder))
    assert.equal(0, code, text)
    server = servers.start({ env = { FIXXIT_HTTP_TLS_CERTIFICATE = folder .. "/chain.pem",
      FIXXIT_HTTP_TLS_KEY = folder .. "/key.pem" } })
  end)

  teardown(function()
    server:stop()
    servers.shell("rm -rf " .. folder)
  end)

  it("finds TLS 1.2 and 1.3 with forward secrecy, nothing older, and no known attack", function()
    local _, text = servers.shell(("testssl --quiet --color 0 --warnings off --ip 127.0.0.1 -p -s -f -U "
      .. "https://localhost:%d"):format(server.port))
    for _, old in ipairs({ "SSLv2", "SSLv3", "TLS 1", "TLS 1.1" }) do
      assert.matches("\n " .. old:gsub("%.", "%%.") .. " +not offered", text)
    end
    assert.matches("TLS 1%.2 +offered %(OK%)", text)
    assert.matches("TLS 1%.3 +offered %(OK%)", text)
    assert.matches("PFS is offered %(OK%)", text)
    assert.matches("Heartbleed", text) -- it came so far
    assert.matches("RC4 [^\n]*no RC4 ciphers detected", text)
    assert.is_nil(text:find("VULNERABLE", 1, true), text)
    assert.is_nil(text:find("NOT ok", 1, true), text)
  end)
end)
