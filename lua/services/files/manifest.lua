return {
  name = "files",
  version = "1.0.0",
  requires = { "identity", "audit" },
  permissions = { "files.read", "files.create", "files.delete" },
  emits = {},
  settings = {},
}
