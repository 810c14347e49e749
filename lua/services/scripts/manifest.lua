return {
  name = "scripts",
  version = "1.0.0",
  summary = "What tenants add to the product: rules in Lua, in a process of their own.",
  requires = { "audit", "clocks", "events", "identity", "jobs", "notifications", "persons",
    "realtime" },
  permissions = {
    ["scripts.read"] = "See the scripts, their releases and runs.",
    ["scripts.write"] = "Change the draft, test it, and keep secrets.",
    ["scripts.publish"] = "Publish and roll back releases, switch files on and off.",
  },
  emits = { "script.released", "script.failed" },
  settings = {},
}
