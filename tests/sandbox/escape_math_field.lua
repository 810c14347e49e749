-- Another library.
-- outcome: SCRIPT_ERROR
-- says: read-only
-- line: 7

before("report.create", function(report)
  math.pi = 3
end)
