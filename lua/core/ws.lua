-- The hub of WebSocket connections and rooms of this process.

return require("host.ws")
