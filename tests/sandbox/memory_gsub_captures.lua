-- Each byte becomes itself a thousand times.
-- outcome: SCRIPT_ERROR
-- says: longer than 262144 bytes
-- line: 7

before("report.create", function(report)
  return ("x"):rep(60000):gsub(".", ("%0"):rep(500))
end)
