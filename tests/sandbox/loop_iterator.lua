-- An iterator that never ends.
-- outcome: LIMIT_CPU
-- line: 6

before("report.create", function(report)
  for _ in function() return 1 end do end
end)
