-- The name is not there: require.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'require'
-- line: 7

before("report.create", function(report)
  return type(require)
end)
