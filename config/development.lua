-- A developer's machine: loopback only, private servers under the data folder, reload on save.

return {
  http = { allow_private = true },
  db = { user = "root" },
  log = { format = "text" },
  server = { reload_watch = true },
  workspaces = { tier = "enterprise" },
  auth = { secret = "development-secret-that-production-refuses" },
}
