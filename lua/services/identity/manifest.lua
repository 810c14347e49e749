return {
  name = "identity",
  version = "1.0.0",
  summary = "Accounts, sessions and the people of a tenant.",
  requires = { "audit", "events", "files", "jobs", "notifications", "persons" },
  permissions = {
    ["users.create"] = "Make accounts for members.",
    ["users.read"] = "See the members and their contact data.",
    ["users.update"] = "Change the status of members.",
    ["users.delete"] = "Remove members.",
    ["roles.assign"] = "See and make roles, and give them to members.",
    ["settings.manage"] = "Change the tenant's settings.",
    ["workspaces.manage"] = "Rename, delete and hand over the workspace.",
    ["analytics.read"] = "See the figures.",
    ["apikeys.read"] = "See the API keys.",
    ["apikeys.create"] = "Make API keys.",
    ["apikeys.update"] = "Change and rotate API keys.",
    ["apikeys.delete"] = "Revoke API keys.",
    ["system.read"] = "See the state of the platform.",
    ["system.manage"] = "Operate the platform.",
  },
  public = { -- the pages that mails link to
    mount = "/",
    headers = {
      ["Content-Security-Policy"] = "default-src 'none'; script-src 'self'; style-src 'self'; "
        .. "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    },
  },
  emits = { "workspace.member.joined", "workspace.member.left" },
  settings = {},
}
