-- Tasks, sleeping, signals between tasks.

return require("host.task")
