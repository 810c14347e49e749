-- Sets a global, which another run would see.
-- outcome: SCRIPT_ERROR
-- says: 'leaked' is no local
-- line: 7

before("report.create", function(report)
  leaked = report
end)
