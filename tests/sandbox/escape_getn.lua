-- Old functions of tables.
-- outcome: ok

before("report.create", function(report)
  for _, name in ipairs({ "getn", "setn", "maxn", "foreach", "foreachi", "move", "new", "clear", "pack" }) do
    assert(table[name] == nil, name)
  end
  return 1
end)
