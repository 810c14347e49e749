return {
  name = "files",
  version = "1.0.0",
  summary = "Pictures and documents on what people work with.",
  requires = { "audit" },
  permissions = { "files.read", "files.create", "files.delete" },
  emits = {},
  settings = {},
}
