-- The tests: as development, quiet, and passwords hashed quickly.

return {
  http = { allow_private = true },
  db = { user = "root", pool_max = 6 },
  log = { format = "text", level = "warn" },
  server = { workers = 1 },
  workspaces = { tier = "enterprise" },
  auth = { secret = "development-secret-that-production-refuses", bcrypt_cost = 4 },
  limits = { scale = 100 },
  demo = { past = false },
}
