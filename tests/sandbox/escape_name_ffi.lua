-- The name is not there: ffi.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'ffi'
-- line: 7

before("report.create", function(report)
  return type(ffi)
end)
