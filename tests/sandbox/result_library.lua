-- Returns a library, which shows nothing.
-- outcome: ok

before("report.create", function(report)
  return { string, math }
end)
