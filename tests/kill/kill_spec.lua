-- kill -9 at a hundred random moments under load: what was acknowledged is there, whole and once.
--
-- Clients post reports without pause while random processes are killed. Afterwards every report
-- in the database, acknowledged or not, must have exactly its one audit row, its one history row
-- and its one event, and every acknowledged id must be among them.
local cqueues = require("cqueues")
local ledger = require("tests.support.ledger")
local servers = require("tests.support.server")

local KILLS = tonumber(os.getenv("TEST_KILLS") or 100)
local CLIENTS = 4

describe("kill -9", function()
  local server
  local acknowledged, attempts, unanswered = {}, 0, 0

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 2, FIXXIT_SERVER_JOB_WORKERS = 2 } })
  end)

  teardown(function()
    server:stop()
  end)

  local function post_one(number)
    attempts = attempts + 1
    local ok, answer = pcall(server.api.post, server.api, "/reports", {
      tenant = "riverton",
      json = {
        title = "Kill test " .. number, category = "pothole", severity = "low",
        location = { latitude = 51 + math.random() / 10, longitude = -2 - math.random() / 10 },
      },
    })
    if ok and answer.status == 201 then
      acknowledged[answer.json.data.id] = true
    else
      unanswered = unanswered + 1
      cqueues.sleep(0.02)
    end
  end

  it("loses nothing that was acknowledged and does nothing twice", function()
    math.randomseed(os.time())
    local loop = cqueues.new()
    local killing = true
    local counter, kills = 0, 0
    for _ = 1, CLIENTS do
      loop:wrap(function()
        while killing do
          counter = counter + 1
          post_one(counter)
        end
      end)
    end
    loop:wrap(function()
      while kills < KILLS do
        cqueues.sleep(0.05 + math.random() * 0.15)
        local pids = server:pids()
        local pid = pids[math.random(math.max(#pids, 1))]
        if pid then
          servers.shell("kill -KILL " .. pid)
          kills = kills + 1
        end
      end
      killing = false
    end)
    assert(loop:loop())

    local count = 0
    for _ in pairs(acknowledged) do
      count = count + 1
    end
    print(("\n%d kills, %d posted, %d acknowledged, %d without an answer"):format(
      kills, attempts, count, unanswered))
    assert.truthy(count > KILLS, "the load was too small to prove anything")

    assert.truthy(ledger.check(server, "Kill test ", acknowledged) >= count)
  end)
end)
