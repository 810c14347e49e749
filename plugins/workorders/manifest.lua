return {
  name = "workorders",
  version = "1.0.0",
  summary = "Work orders, the teams that do them, and what was done.",
  requires = { "identity", "audit", "events", "files", "realtime", "reports" },
  permissions = {
    "workorders.create", "workorders.read", "workorders.update", "workorders.delete",
    "workorders.assign", "workorders.work",
    "remediations.create", "remediations.read", "remediations.update", "remediations.delete",
  },
  emits = {
    "workorder.created", "workorder.assigned", "workorder.updated", "remediation.completed",
  },
  settings = {},
}
