-- The seed is not the author's.
-- outcome: SCRIPT_ERROR
-- says: attempt to call field 'randomseed'
-- line: 7

before("report.create", function(report)
  math.randomseed(1)
end)
