-- Three that call each other.
-- outcome: SCRIPT_ERROR
-- says: stack overflow

before("report.create", function(report)
  local a, b, c
  a = function() return b() + 1 end
  b = function() return c() + 1 end
  c = function() return a() + 1 end
  a()
end)
