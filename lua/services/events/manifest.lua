return {
  name = "events",
  version = "1.0.0",
  requires = { "jobs", "persons" },
  permissions = {},
  emits = {},
  settings = {},
}
