return {
  name = "cluster",
  version = "1.0.0",
  requires = {},
  permissions = {},
  emits = {},
  settings = {},
}
