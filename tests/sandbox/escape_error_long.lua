-- Throws a long text, of which a part is kept.
-- outcome: SCRIPT_ERROR
-- says: xxxxxxxx
-- line: 7

before("report.create", function(report)
  error(("x"):rep(60000))
end)
