-- A library of the prelude.
-- outcome: SCRIPT_ERROR
-- says: read-only
-- line: 7

before("report.create", function(report)
  json.encode = nil
end)
