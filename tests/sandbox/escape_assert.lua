-- A failed assertion.
-- outcome: SCRIPT_ERROR
-- says: as told
-- line: 7

before("report.create", function(report)
  assert(false, "as told")
end)
