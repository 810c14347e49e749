return {
  name = "reports",
  version = "1.0.0",
  summary = "Hazard reports: made by anybody, followed by their tracking code, handled by staff.",
  requires = {
    "identity", "audit", "clocks", "events", "files", "notifications", "realtime", "scripts",
  },
  permissions = {
    ["reports.create"] = "Make reports in bulk, and import them.",
    ["reports.read"] = "See all reports and who made them.",
    ["reports.update"] = "Change and handle reports.",
    ["reports.delete"] = "Delete reports.",
    ["reports.export"] = "Export reports.",
  },
  emits = { "report.created", "report.updated", "report.escalated" },
  settings = {},
}
