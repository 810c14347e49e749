-- Returns bytes that are no text.
-- outcome: SCRIPT_ERROR
-- says: no UTF-8

before("report.create", function(report)
  return "\255\254"
end)
