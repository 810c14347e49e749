-- A table that would be called as text is not.
-- outcome: ok

before("report.create", function(report)
  return tostring({ __tostring = function() error("called") end })
end)
