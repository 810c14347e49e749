return {
  name = "notifications",
  version = "1.0.0",
  summary = "Messages to people: inside the product, and by mail.",
  requires = { "jobs" },
  permissions = {},
  emits = {},
  settings = {},
}
