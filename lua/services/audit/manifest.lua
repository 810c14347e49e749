return {
  name = "audit",
  version = "1.0.0",
  requires = {},
  permissions = { "audit.read" },
  emits = {},
  settings = {},
}
