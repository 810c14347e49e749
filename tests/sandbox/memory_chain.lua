-- A long chain of concatenations.
-- outcome: LIMIT_MEMORY
-- cpu: 1000

before("report.create", function(report)
  local s = ("x"):rep(65536)
  local t = {}
  while true do t[#t + 1] = s .. s .. s .. s .. s .. s .. s .. s .. #t end
end)
