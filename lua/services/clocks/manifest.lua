return {
  name = "clocks",
  version = "1.0.0",
  summary = "Clocks that run in a tenant's business hours, and the steps that fall due on them.",
  requires = { "identity", "jobs", "settings" },
  permissions = {},
  emits = {},
  settings = {},
}
