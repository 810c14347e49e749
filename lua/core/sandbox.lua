-- Processes that run Lua of strangers.

return require("host.sandbox")
