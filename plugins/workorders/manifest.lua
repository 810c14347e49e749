return {
  name = "workorders",
  version = "1.0.0",
  summary = "Work orders, the teams that do them, and what was done.",
  requires = {
    "identity", "audit", "clocks", "events", "files", "notifications", "realtime", "reports",
    "scripts",
  },
  permissions = {
    ["workorders.create"] = "Make work orders.",
    ["workorders.read"] = "See all work orders.",
    ["workorders.update"] = "Change work orders.",
    ["workorders.delete"] = "Delete work orders.",
    ["workorders.assign"] = "Assign work orders.",
    ["workorders.work"] = "Accept, do and complete work orders.",
    ["remediations.create"] = "Document what was done.",
    ["remediations.read"] = "See what was done.",
    ["remediations.update"] = "Change what one documented.",
    ["remediations.delete"] = "Delete what one documented.",
  },
  emits = {
    "workorder.created", "workorder.assigned", "workorder.updated", "remediation.completed",
  },
  settings = {},
}
