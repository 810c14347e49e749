-- Child processes for what must not run on the loop.

return require("host.process")
