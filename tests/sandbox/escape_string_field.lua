-- Replaces a function for all later runs.
-- outcome: SCRIPT_ERROR
-- says: read-only
-- line: 7

before("report.create", function(report)
  string.rep = function() return "mine" end
end)
