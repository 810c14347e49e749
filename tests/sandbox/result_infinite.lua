-- Returns infinity.
-- outcome: SCRIPT_ERROR
-- says: no finite number

before("report.create", function(report)
  return -math.huge
end)
