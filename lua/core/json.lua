-- JSON text and its values; null, array and raw mark what Lua's tables cannot say.

return require("host.json")
