-- The named formats of text: read(value) returns the clean text or nil, `message` says what was
-- expected, `openapi` is the name that JSON Schema has for it, if any.

local time = require("core.time")
local uuid = require("core.uuid")

local PHONE_DIGITS_MIN, PHONE_DIGITS_MAX = 6, 15
local PHONE_MAX, EMAIL_MAX, URL_MAX = 32, 254, 2048

local function read_email(value)
  local name, domain = value:match("^([^%s@<>\"(),:;\\%[%]]+)@([%w.-]+%.%w+)$")
  local is_ascii = not value:find("[^!-~]")
  if not name or not is_ascii or #value > EMAIL_MAX or domain:find("..", 1, true)
    or domain:find("^[.-]") then
    return nil
  end
  return value
end

local function read_phone(value)
  local digits = select(2, value:gsub("%d", ""))
  local well_formed = value:find("^%+?[%d%s()/.-]+$")
  return #value <= PHONE_MAX and well_formed and digits >= PHONE_DIGITS_MIN
    and digits <= PHONE_DIGITS_MAX and value or nil
end

return {
  email = { openapi = "email", message = "must be an e-mail address", read = read_email },
  uuid = {
    openapi = "uuid",
    message = "must be a UUID",
    read = function(value)
      return uuid.is(value) and value:lower() or nil
    end,
  },
  ["date-time"] = {
    openapi = "date-time",
    message = "must be a time like 2026-11-20T09:12:44Z",
    read = function(value)
      return time.parse(value) and value or nil
    end,
  },
  date = {
    openapi = "date",
    message = "must be a date like 2026-11-20",
    read = function(value)
      return #value == 10 and time.parse(value) and value or nil
    end,
  },
  -- A name of somebody or something: it stands in lists, greetings of mails and lines of logs.
  line = {
    message = "must be one line",
    read = function(value)
      local is_broken = value:find("[\t\r\n]") or value:find("\194\133", 1, true)
        or value:find("\226\128[\168\169]")
      return not is_broken and value or nil
    end,
  },
  phone = { message = "must be a phone number", read = read_phone },
  slug = {
    message = "must be lower-case letters, digits and hyphens",
    read = function(value)
      return #value <= 63 and value:find("^[a-z0-9][a-z0-9-]*$") and value or nil
    end,
  },
  url = {
    openapi = "uri",
    message = "must be an http or https address",
    read = function(value)
      local well_formed = #value <= URL_MAX and value:find("^https?://[%w.%[%]:_-]+[/?#]?[%w%p]*$")
      return well_formed and value or nil
    end,
  },
}
