-- Processes that run what strangers wrote: one per key and lane, shared by all workers of the node,
-- made when first asked for, ended when it is the one unused for longest. See host/lua_sandbox.c.
--
-- Connections are kept by who opened them; one that is not open any more is opened again. What a
-- process says is text: nothing of it is believed but that it is JSON.

return require("host.sandbox")
