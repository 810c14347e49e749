--- What was told to a client, compared with what the database holds: nothing acknowledged is lost,
-- nothing is half done, nothing is done twice.
local M = {}

local PATIENCE_S = 60 * require("tests.support.patience")

-- The relay has numbered everything.
local function await_relay(server)
  for _ = 1, PATIENCE_S * 10 do
    if server:sql("SELECT COUNT(*) FROM outbox") == "0\n" then
      return
    end
    os.execute("sleep 0.1")
  end
  error("the outbox is not emptied: " .. server:sql("SELECT COUNT(*) FROM outbox"), 0)
end

--- Of the reports whose title begins with `prefix`, acknowledged or not, each must have exactly one
-- audit row, one row of history and one event; each acknowledged one must be there; no title twice;
-- and the events of each tenant are numbered without holes.
-- @param acknowledged set of ids
-- @return how many there are
function M.check(server, prefix, acknowledged)
  await_relay(server)
  local rows = server:sql(([[
    SELECT r.id,
      (SELECT COUNT(*) FROM audit_logs a WHERE a.resource_id = r.id AND a.action = 'report.create'),
      (SELECT COUNT(*) FROM report_status_history h WHERE h.report_id = r.id),
      (SELECT COUNT(*) FROM event_log e WHERE e.resource_id = r.id AND e.event = 'report.created')
    FROM reports r WHERE r.title LIKE '%s%%']]):format(prefix))
  local seen, count = {}, 0
  for id, audits, histories, events in rows:gmatch("(%S+)\t(%d+)\t(%d+)\t(%d+)\n") do
    assert(audits .. histories .. events == "111",
      ("report %s: %s audit rows, %s of history, %s events"):format(id, audits, histories, events))
    seen[id] = true
    count = count + 1
  end
  for id in pairs(acknowledged) do
    assert(seen[id], "an acknowledged report is missing: " .. id)
  end
  local twice = server:sql(([[SELECT title FROM reports WHERE title LIKE '%s%%'
    GROUP BY title HAVING COUNT(*) > 1]]):format(prefix))
  assert(twice == "", "done twice: " .. twice)
  local holes = server:sql([[
    SELECT tenant_id FROM (SELECT tenant_id, MAX(seq) - MIN(seq) + 1 - COUNT(*) AS missing,
      COUNT(*) - COUNT(DISTINCT seq) AS doubled FROM event_log GROUP BY tenant_id) t
    WHERE missing <> 0 OR doubled <> 0]])
  assert(holes == "", "events are not numbered one after another: " .. holes)
  return count
end

return M
