-- A capability fails: its code and the line are told.
-- outcome: NO
-- says: none here
-- line: 7

before("report.create", function(report)
  capability("x", {})
end)
