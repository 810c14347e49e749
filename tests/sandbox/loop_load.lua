-- An endless loop while the file is loaded, which may take 100 ms.
-- outcome: LIMIT_CPU
-- says: limit: cpu 100 ms at
-- cpu: 100
-- line: 7

while true do end
