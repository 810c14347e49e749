-- Keys that are no text.
-- outcome: SCRIPT_ERROR
-- says: as key of an object

before("report.create", function(report)
  return { [true] = 1 }
end)
