-- What was answered to tracking codes, kept for a second by each worker: many people look at the
-- same few reports. A change on this node ends it at once (core.stamps), one on another node is
-- seen when the second is over. Nothing else is trusted with it: no Redis, no invalidation that
-- could get lost.

local stamps = require("core.stamps")
local time = require("core.time")

local M = {}

jit.on(true, true) -- what many ask for again and again

local KEEP_MS = 1000
local KEEP_MAX = 2000

local kept, kept_count = {}, 0 -- code -> {answer, id, stamp, until_ms}

--- Returns what was kept for the code and still holds, or nil.
function M.find(code)
  local entry = kept[code]
  if entry and entry.until_ms > time.monotonic_ms() and stamps.of(entry.id) == entry.stamp then
    return entry.answer
  end
end

--- Calls read() -> answer or nil, and keeps what it returns about the report of this id.
function M.keep(code, id, read)
  local stamp, until_ms = stamps.of(id), time.monotonic_ms() + KEEP_MS
  local answer = read()
  if answer then
    if kept_count >= KEEP_MAX then
      kept, kept_count = {}, 0
    end
    kept_count = kept_count + (kept[code] and 0 or 1)
    kept[code] = { answer = answer, id = id, stamp = stamp, until_ms = until_ms }
  end
  return answer
end

return M
