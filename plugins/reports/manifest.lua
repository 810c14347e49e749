return {
  name = "reports",
  version = "1.0.0",
  requires = { "identity", "audit", "events", "files", "realtime" },
  permissions = {
    "reports.create", "reports.read", "reports.update", "reports.delete", "reports.export",
  },
  emits = { "report.created", "report.updated" },
  settings = {},
}
