return {
  name = "files",
  version = "1.0.0",
  summary = "Pictures and documents on what people work with.",
  requires = { "audit" },
  permissions = {
    ["files.read"] = "See files of what one may see.",
    ["files.create"] = "Add files.",
    ["files.delete"] = "Delete files.",
  },
  emits = {},
  settings = {},
}
