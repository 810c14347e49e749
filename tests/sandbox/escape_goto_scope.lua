-- Jumps into the scope of a local.
-- outcome: SCRIPT_ERROR
-- says: jumps into the scope

before("report.create", function()
  goto inside
  local x = 1
  ::inside::
  return x
end)
