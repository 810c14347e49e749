-- Keeps a full table at its size, so that each new key counts all others.
-- outcome: LIMIT_CPU
-- cpu: 200

before("report.create", function(report)
  local t = {}
  for i = 1, 65536 do t["k" .. i] = i end
  local i = 0
  while true do
    i = i + 1
    t["k" .. i] = nil
    t["n" .. i] = i
  end
end)
