-- A count out of range.
-- outcome: SCRIPT_ERROR
-- says: out of range
-- line: 7

before("report.create", function(report)
  return select(-5, 1)
end)
