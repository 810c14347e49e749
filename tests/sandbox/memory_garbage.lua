-- Throws away more than there may be at a time: that is allowed.
-- outcome: ok
-- cpu: 2000

before("report.create", function(report)
  local n = 0
  for i = 1, 2000 do
    local t = {}
    for j = 1, 200 do t[j] = { i, j } end
    n = n + #t
  end
  return n
end)
