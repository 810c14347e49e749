-- Uses it up while the file is loaded.
-- outcome: LIMIT_MEMORY
-- says: limit: memory 16 MiB at
-- cpu: 100
-- line: 8

local t, s = {}, ("x"):rep(65536)
for i = 1, 1e9 do t[i] = s .. i end
