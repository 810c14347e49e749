-- Indexes what has no fields.
-- outcome: SCRIPT_ERROR
-- says: attempt to index
-- line: 7

before("report.create", function(report)
  return (1).x
end)
