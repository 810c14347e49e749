return {
  name = "apidocs",
  version = "1.0.0",
  summary = "The description of the API as a page.",
  requires = {},
  permissions = {},
  emits = {},
  settings = {},
  public = {
    mount = "/api-docs/",
    headers = {
      -- Everything comes from here, and nothing is inline.
      ["Content-Security-Policy"] = "default-src 'none'; script-src 'self'; style-src 'self'; "
        .. "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        .. "frame-ancestors 'none'",
    },
  },
}
