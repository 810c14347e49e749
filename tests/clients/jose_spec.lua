-- Access tokens between us and jose of npm, both ways, for each algorithm.
local servers = require("tests.support.server")
local tokens = require("tests.support.tokens")

local SECRET = "development-secret-that-production-refuses" -- of config/test.lua

describe("jose of npm", function()
  for _, alg in ipairs({ "HS256", "RS256", "ES256" }) do
    it("agrees with us on " .. alg, function()
      local path, env = os.tmpname(), {}
      if alg ~= "HS256" then
        tokens.new_key(path, alg)
        env = { FIXXIT_AUTH_ALGORITHM = alg, FIXXIT_AUTH_KEYS = "k-1=" .. path .. ".pem" }
      end
      local server = servers.start({ env = env })
      local token = server.api:login("owner@riverton.example").token
      local code, text = servers.shell(("node tests/clients/jose.js %d %s %s %s"):format(server.port, token, alg,
        alg == "HS256" and SECRET or path .. ".pem"))
      server:stop()
      servers.shell(("rm -f %s %s.pem %s.pub.pem"):format(path, path, path))
      assert.equal(0, code, text)
      assert.matches("6 passed, 0 failed\n$", text)
    end)
  end
end)
