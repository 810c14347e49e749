-- The process's connection to Redis. It may be down at any time: speed, never truth.

return require("host.redis")
