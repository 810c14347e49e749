return {
  name = "jobs",
  version = "1.0.0",
  requires = { "identity" },
  permissions = { "system.jobs" },
  emits = {},
  settings = {},
}
