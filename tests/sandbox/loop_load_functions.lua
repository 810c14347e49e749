-- Loading that declares without end.
-- outcome: LIMIT_CPU|LIMIT_MEMORY
-- cpu: 100

while true do before("report.create", function() end) end
