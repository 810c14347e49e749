return {
  name = "notifications",
  version = "1.0.0",
  requires = { "jobs" },
  permissions = {},
  emits = {},
  settings = {},
}
