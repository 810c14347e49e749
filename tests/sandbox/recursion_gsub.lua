-- gsub within gsub.
-- outcome: SCRIPT_ERROR
-- says: callbacks inside each other

before("report.create", function(report)
  local function f(s)
    return (s:gsub(".", f))
  end
  f("x")
end)
