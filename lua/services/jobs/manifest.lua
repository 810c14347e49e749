return {
  name = "jobs",
  version = "1.0.0",
  requires = {},
  permissions = { "system.jobs" },
  emits = {},
  settings = {},
}
