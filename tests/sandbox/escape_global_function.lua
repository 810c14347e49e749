-- Declares a global function.
-- outcome: SCRIPT_ERROR
-- says: is no local
-- line: 7

before("report.create", function(report)
  function leaked() end
end)
