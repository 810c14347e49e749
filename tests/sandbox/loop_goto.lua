-- Jumps back for ever.
-- outcome: LIMIT_CPU
-- line: 7

before("report.create", function(report)
  ::again::
  goto again
end)
