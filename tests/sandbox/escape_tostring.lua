-- Addresses are not told.
-- outcome: ok

before("report.create", function(report)
  local function f() end
  assert(tostring({}) == "table" and tostring(f) == "function" and tostring(string) == "table")
  assert(string.format("%s %s", {}, f) == "table function")
  assert(tostring(null) == "null")
  return 1
end)
