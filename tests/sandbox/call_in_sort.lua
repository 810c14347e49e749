-- A capability is called where nothing can wait.
-- outcome: SCRIPT_ERROR
-- says: inside a function given to sort or gsub
-- line: 8

before("report.create", function(report)
  table.sort({ 2, 1 }, function()
    capability("x", {})
  end)
end)
