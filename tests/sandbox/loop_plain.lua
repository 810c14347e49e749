-- An endless loop.
-- outcome: LIMIT_CPU
-- says: limit: cpu 10 ms at rules/loop_plain.lua:
-- line: 7

before("report.create", function(report)
  while true do end
end)
