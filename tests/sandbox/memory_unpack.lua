-- Fills the stack.
-- outcome: SCRIPT_ERROR
-- says: values to unpack
-- line: 7

before("report.create", function(report)
  return unpack({}, 1, 1e7)
end)
