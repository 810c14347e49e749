-- A number of the foreign function interface.
-- outcome: SCRIPT_ERROR
-- says: numbers cannot end in LL
-- line: 7

before("report.create", function(report)
  return 1LL
end)
