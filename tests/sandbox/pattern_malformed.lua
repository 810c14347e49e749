-- Patterns that are none; the first raises.
-- outcome: SCRIPT_ERROR
-- says: malformed pattern (missing ']')
-- line: 7

before("report.create", function(report)
  return ("x"):match("[a")
end)
