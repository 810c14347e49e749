-- Returns what is no number.
-- outcome: SCRIPT_ERROR
-- says: no finite number

before("report.create", function(report)
  return { value = 0 / 0 }
end)
