-- Version 7 UUIDs: their order is the order of time.

return require("host.uuid")
