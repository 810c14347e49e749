-- A capability is asked with bytes that are no text.
-- outcome: SCRIPT_ERROR
-- says: no UTF-8
-- line: 7

before("report.create", function(report)
  capability("x", { text = "\255" })
end)
