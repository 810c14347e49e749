return {
  name = "reports",
  version = "1.0.0",
  summary = "Hazard reports: made by anybody, followed by their tracking code, handled by staff.",
  requires = { "identity", "audit", "events", "files", "realtime" },
  permissions = {
    "reports.create", "reports.read", "reports.update", "reports.delete", "reports.export",
  },
  emits = { "report.created", "report.updated" },
  settings = {},
}
