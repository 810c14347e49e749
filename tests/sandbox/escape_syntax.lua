-- No Lua at all.
-- outcome: SCRIPT_ERROR
-- line: 5

this is no Lua
