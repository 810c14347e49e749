-- Files and folders; calls wait in the thread pool, *_now block and are for boot and commands.

return require("host.fs")
