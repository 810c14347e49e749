-- Libraries have no keys to walk.
-- outcome: ok

before("report.create", function(report)
  for k in pairs(string) do error(k) end
  assert(next(math) == nil and #table == 0)
  return 1
end)
