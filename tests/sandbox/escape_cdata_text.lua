-- Looks like such a number, in texts, names and comments.
-- outcome: ok

before("report.create", function(report)
  local x1LL = "1LL" .. '2i' .. [[3ULL]] .. [==[ ]] 4i ]==] -- 5LL
  --[[ 6LL
  7i ]]
  return #x1LL + 0xFF + 1e+3 + .5
end)
