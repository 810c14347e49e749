return {
  name = "persons",
  version = "1.0.0",
  requires = {},
  permissions = {},
  emits = {},
  settings = {},
}
