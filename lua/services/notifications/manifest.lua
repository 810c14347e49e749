return {
  name = "notifications",
  version = "1.0.0",
  summary = "Messages to people: inside the product, by mail, by text message.",
  requires = { "audit", "events", "jobs" },
  permissions = {},
  emits = { "notification.new", "notification.read" },
  settings = {},
}
