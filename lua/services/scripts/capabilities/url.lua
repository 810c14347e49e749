--- Addresses of servers as scripts give them: read strictly, since what is read here decides
-- whether a request may leave, and another reader must not see another host in the same text.

local M = {}

local PORTS = { http = 80, https = 443 }
local URL_MAX = 2048
local LABEL = "^%w[%w-]*$"

local function is_host(host)
  if #host > 253 or host == "" then
    return false
  end
  for label in (host .. "."):gmatch("([^.]*)%.") do
    if not label:find(LABEL) then
      return false
    end
  end
  return true
end

--- Reads an absolute address.
-- @return {scheme, host (lower case), port, path (with query)}, or nil: it is none, or holds a name
--   and password, an address of IPv6, or characters that need to be escaped
function M.read(text)
  if #text > URL_MAX or text:find("[^!-~]") or text:find('["<>\\^`{|}]') then
    return nil
  end
  local scheme, authority, path = text:match("^(%a+)://([^/?#]*)([^#]*)")
  scheme = scheme and scheme:lower()
  if not PORTS[scheme] then
    return nil
  end
  local host, port = authority:match("^([%w.-]+):?(%d*)$")
  if not host or authority:find(":$") or not is_host(host:lower()) then
    return nil
  end
  port = port == "" and PORTS[scheme] or tonumber(port)
  if port < 1 or port > 65535 then
    return nil
  end
  if path:sub(1, 1) ~= "/" then
    path = "/" .. path
  end
  return { scheme = scheme, host = host:lower(), port = port, path = path,
    is_usual_port = port == PORTS[scheme] }
end

--- The text again, as it is asked for.
function M.text(url)
  return ("%s://%s:%d%s"):format(url.scheme, url.host, url.port, url.path)
end

--- What a redirect leads to, or nil.
-- @param location of the answer: absolute, or relative to `base`
function M.follow(base, location)
  if location:find("^%a[%w+.-]*:") then
    return M.read(location)
  elseif location:sub(1, 2) == "//" then
    return M.read(base.scheme .. ":" .. location)
  end
  local path = location
  if path:sub(1, 1) == "?" then
    path = base.path:match("^[^?]*") .. path
  elseif path:sub(1, 1) ~= "/" then
    path = base.path:match("^[^?]*"):match("^.*/") .. path
  end
  return M.read(("%s://%s:%d%s"):format(base.scheme, base.host, base.port, path))
end

--- Whether a tenant's list names the host: "host" stands for the usual ports alone, "host:port" for
-- that one.
-- @return whether it does, whether it names the port
function M.is_named(url, allowed)
  for _, entry in ipairs(allowed) do
    local name = entry:lower()
    if name == url.host .. ":" .. url.port then
      return true, true
    elseif name == url.host and url.is_usual_port then
      return true, false
    end
  end
  return false, false
end

return M
