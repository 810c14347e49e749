-- Whether something changed on this node since it was read: for answers that are kept for a moment.
--
-- Who changes a thing touches its id; who keeps an answer about it keeps the stamp from before the
-- read beside it, and believes it only while the stamp is the same. The stamps are a few counters
-- that all processes of a node share, each for many ids: one that moved without cause costs a
-- read. Other nodes see nothing of this: what is kept must also go by its age.

local counters = require("core.counters")
local db = require("core.db")

local M = {}

local SLOTS = 32

local slots -- [i] = counter, once opened

local function slot_of(id)
  if not slots then
    slots = {}
    for i = 1, SLOTS do
      slots[i] = counters.open("stamps." .. i)
    end
  end
  return slots[(tonumber(id:sub(-4), 16) or 0) % SLOTS + 1]
end

--- Notes, when the transaction commits, that the thing of this id (a UUID) has changed.
function M.touch(ctx, id)
  db.after_commit(ctx, function()
    counters.add(slot_of(id))
  end)
end

--- The stamp of an id. Read it before the thing itself.
function M.of(id)
  return counters.get(slot_of(id))
end

return M
