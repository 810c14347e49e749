return {
  name = "dashboard",
  version = "1.0.0",
  requires = { "reports", "workorders" },
  permissions = {},
  emits = {},
  settings = {},
  public = {
    mount = "/dashboard/",
    headers = {
      -- Pictures are fetched with the access token and shown from memory: blob. Nothing comes from
      -- anywhere else, nothing is inline.
      ["Content-Security-Policy"] = "default-src 'none'; script-src 'self'; style-src 'self'; "
        .. "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        .. "frame-ancestors 'none'",
    },
  },
}
