return {
  name = "realtime",
  version = "1.0.0",
  summary = "Events as they happen.",
  requires = { "identity", "events" },
  permissions = {},
  emits = {},
  settings = {},
}
