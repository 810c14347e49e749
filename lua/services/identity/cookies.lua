--- The cookies of a browser session: the refresh token, out of reach of scripts, and the CSRF
-- token, which the page sends back in a header (double submit).

local M = {}

local REFRESH, CSRF = "fixxit_refresh", "fixxit_csrf"
local PATH = "/api/v1/auth"

local function cookie(name, value, path, max_age, flags)
  return ("%s=%s; Path=%s; Max-Age=%d; Secure; SameSite=Strict%s"):format(
    name, value, path, max_age, flags)
end

--- The Set-Cookie values for a session's tokens; csrf nil leaves that cookie as it is.
function M.set(refresh, csrf, max_age_s)
  local list = { cookie(REFRESH, refresh, PATH, max_age_s, "; HttpOnly") }
  if csrf then
    list[2] = cookie(CSRF, csrf, "/", max_age_s, "")
  end
  return list
end

--- The Set-Cookie values that remove both.
function M.clear()
  return { cookie(REFRESH, "", PATH, 0, "; HttpOnly"), cookie(CSRF, "", "/", 0, "") }
end

--- The refresh token that a request carries in its cookie, or nil.
function M.refresh(ctx)
  local header = ctx.req and ctx.req:header("cookie")
  return header and ("; " .. header):match("[;,] *" .. REFRESH .. "=([%w%-_]+)")
end

return M
