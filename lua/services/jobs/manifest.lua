return {
  name = "jobs",
  version = "1.0.0",
  requires = {},
  permissions = {
    ["system.jobs"] = "See and retry the platform's jobs.",
  },
  emits = {},
  settings = {},
}
