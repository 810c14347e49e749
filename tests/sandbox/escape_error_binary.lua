-- Throws bytes that are no text.
-- outcome: SCRIPT_ERROR
-- line: 6

before("report.create", function(report)
  error("\255\0\1")
end)
