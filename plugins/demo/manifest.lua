return {
  name = "demo",
  version = "1.0.0",
  summary = "The demo world of Riverton: teams, reports, work on them, and rules that run.",
  requires = { "reports", "workorders" },
  permissions = {},
  emits = {},
  settings = {},
}
