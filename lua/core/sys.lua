-- Facts about this process, and numbers that outlive a reload.

return require("host.sys")
