return {
  name = "audit",
  version = "1.0.0",
  requires = { "persons" },
  permissions = {
    ["audit.read"] = "Read the audit trail.",
  },
  emits = {},
  settings = {},
}
