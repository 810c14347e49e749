return {
  name = "realtime",
  version = "1.0.0",
  requires = { "identity", "events" },
  permissions = {},
  emits = {},
  settings = {},
}
