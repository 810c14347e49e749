-- Logs for ever; the log keeps its first 8 KiB.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  while true do log("again") end
end)
