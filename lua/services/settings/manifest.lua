return {
  name = "settings",
  version = "1.0.0",
  summary = "What a tenant decides for itself.",
  requires = { "audit", "identity" },
  permissions = {},
  emits = {},
  settings = {},
}
