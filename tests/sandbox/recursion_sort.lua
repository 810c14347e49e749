-- Sorts within a comparator within a comparator.
-- outcome: SCRIPT_ERROR
-- says: callbacks inside each other

before("report.create", function(report)
  local function f()
    table.sort({ 1, 2 }, f)
    return false
  end
  f()
end)
