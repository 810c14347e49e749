--- What a session's user agent says to people: "Firefox on Linux".

local M = {}

-- The first that is found counts: many name their ancestors too.
local BROWSERS = {
  { "Edg[AiOe]*S?/", "Edge" }, { "OPR/", "Opera" }, { "SamsungBrowser/", "Samsung Internet" },
  { "Firefox/", "Firefox" }, { "FxiOS/", "Firefox" }, { "CriOS/", "Chrome" },
  { "Chrome/", "Chrome" }, { "Safari/", "Safari" }, { "curl/", "curl" },
}
local SYSTEMS = {
  { "Android", "Android" }, { "iPhone", "iPhone" }, { "iPad", "iPad" }, { "Windows", "Windows" },
  { "Mac OS X", "macOS" }, { "CrOS", "ChromeOS" }, { "Linux", "Linux" },
}

local function find(list, text)
  for _, entry in ipairs(list) do
    if text:find(entry[1]) then
      return entry[2]
    end
  end
end

--- A short name of the device that a user agent describes.
function M.name(user_agent)
  if not user_agent or user_agent == "" then
    return "Unknown device"
  end
  local browser, system = find(BROWSERS, user_agent), find(SYSTEMS, user_agent)
  if browser and system then
    return browser .. " on " .. system
  end
  return browser or system or user_agent:match("^[%w._-]+") or "Unknown device"
end

return M
