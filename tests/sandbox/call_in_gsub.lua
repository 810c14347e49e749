-- The same in gsub.
-- outcome: SCRIPT_ERROR
-- says: inside a function given to sort or gsub
-- line: 8

before("report.create", function(report)
  ("x"):gsub("x", function()
    capability("x", {})
  end)
end)
