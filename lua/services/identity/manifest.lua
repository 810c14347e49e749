return {
  name = "identity",
  version = "1.0.0",
  summary = "Accounts, sessions and the people of a tenant.",
  requires = { "audit", "files", "jobs", "notifications" },
  permissions = {
    "users.create", "users.read", "users.update", "users.delete",
    "roles.assign", "settings.manage", "workspaces.manage",
    "analytics.read",
    "apikeys.read", "apikeys.create", "apikeys.update", "apikeys.delete",
    "system.read", "system.manage",
  },
  public = { -- the pages that mails link to
    mount = "/",
    headers = {
      ["Content-Security-Policy"] = "default-src 'none'; script-src 'self'; style-src 'self'; "
        .. "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    },
  },
  emits = {},
  settings = {},
}
