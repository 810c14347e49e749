-- A pattern that would recurse a thousand times.
-- outcome: ok

before("report.create", function(report)
  return ("x"):rep(2000):match(("x"):rep(1000)) and 1
end)
