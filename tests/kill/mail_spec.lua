-- Job workers killed while they send mails: nobody is forgotten, nobody gets a mail twice.
local cqueues = require("cqueues")
local mailbox = require("tests.support.mailbox")
local servers = require("tests.support.server")

local ACCOUNTS, KILLS = 60, 6
local WAIT_S = 240 -- a killed worker's jobs are free again after a minute

describe("mails", function()
  it("are sent once each, whoever dies meanwhile", function()
    local server = servers.start()
    local api = server.api
    for i = 1, ACCOUNTS do
      assert.equal(201, api:post("/auth/register", { json = { email = "m" .. i .. "@kill.example",
        password = "Fixxit-demo-2026", fullName = "Ann" } }).status)
      if i % (ACCOUNTS / KILLS) == 0 then
        for _, pid in ipairs(server:pids("job")) do
          if pid > 0 then -- 0: it is being started
            servers.shell("kill -KILL " .. pid)
          end
        end
      end
    end
    local deadline = cqueues.monotime() + WAIT_S
    local waiting
    repeat
      cqueues.sleep(0.5)
      waiting = server:sql("SELECT COUNT(*) FROM notification_deliveries WHERE state <> 'sent'"):match("%d+")
    until waiting == "0" or cqueues.monotime() > deadline
    assert.equal("0", waiting)
    for i = 1, ACCOUNTS do
      assert.equal(1, #mailbox.list(api, "m" .. i .. "@kill.example"), "m" .. i)
    end
    server:stop()
  end)
end)
