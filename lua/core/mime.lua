-- Mails as text: RFC 5322 headers, RFC 2047 words for what is not ASCII, bodies in
-- quoted-printable (RFC 2045), so that every line is short and nothing needs 8 bits.

local crypto = require("core.crypto")
local errors = require("core.errors")
local time = require("core.time")
local uuid = require("core.uuid")

local M = {}

local LINE_MAX = 76 -- of a quoted-printable line
local PLAIN_MAX = 900 -- bytes of a header that goes out as it is; a line holds 998 at most
local WORD_BYTES = 36 -- of text in one encoded word: with a short name before it 76 characters
local ADDRESS_MAX = 320
local DAYS = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" } -- 1970 began on a Thursday
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
  "Dec" }
local DAY_MS = 86400000

local function date(ms)
  local year, month, day, clock = time.iso(ms):match("^(%d+)%-(%d+)%-(%d+)T(%d+:%d+:%d+)")
  local weekday = DAYS[math.floor(ms / DAY_MS) % 7 + 1]
  return ("%s, %s %s %s %s +0000"):format(weekday, day, MONTHS[tonumber(month)], year, clock)
end

-- A line break in a value would begin a header of its own.
local function one_line(value)
  return (value:gsub("[%c]+", " "))
end

-- As words of base64, cut between characters.
local function encoded_words(value)
  local words = {}
  local from = 1
  while from <= #value do
    local to = math.min(from + WORD_BYTES - 1, #value)
    while to > from and (value:byte(to + 1) or 0) >= 0x80 and value:byte(to + 1) < 0xC0 do
      to = to - 1
    end
    words[#words + 1] = "=?UTF-8?B?" .. crypto.base64(value:sub(from, to)) .. "?="
    from = to + 1
  end
  return table.concat(words, "\r\n ")
end

local function is_plain(value)
  return #value <= PLAIN_MAX and not value:find("[^ -~]") and not value:find("=?", 1, true)
end

local function unstructured(value)
  value = one_line(value)
  return is_plain(value) and value or encoded_words(value)
end

local function check_address(address)
  if type(address) ~= "string" or #address > ADDRESS_MAX
    or not address:find("^[^%c%s<>(),;:\\\"%[%]@\128-\255]+@[%w.-]+$") then
    errors.raise("VALIDATION_ERROR", "This is no address that mail can be sent to")
  end
  return address
end

-- "Name" <address>
local function mailbox(entry)
  if type(entry) == "string" then
    return check_address(entry)
  end
  local address, name = check_address(entry.address), one_line(entry.name or "")
  if name == "" then
    return address
  elseif is_plain(name) then
    return ('"%s" <%s>'):format(name:gsub('[\\"]', "\\%0"), address)
  end
  return ("%s <%s>"):format(encoded_words(name), address)
end

local function mailboxes(list)
  local out = {}
  for i, entry in ipairs(list) do
    out[i] = mailbox(entry)
  end
  return table.concat(out, ",\r\n ")
end

local function escape(byte)
  return ("=%02X"):format(byte:byte())
end

-- One line, cut by soft breaks.
local function quoted_line(line)
  local text = line:gsub("[^\t -<>-~]", escape):gsub("[ \t]$", escape)
  local out = {}
  local from = 1
  while #text - from + 1 > LINE_MAX do
    local to = from + LINE_MAX - 2 -- the last is the "=" of the soft break
    if text:sub(to, to) == "=" then
      to = to - 1
    elseif text:sub(to - 1, to - 1) == "=" then
      to = to - 2
    end
    out[#out + 1] = text:sub(from, to) .. "="
    from = to + 1
  end
  out[#out + 1] = text:sub(from)
  return table.concat(out, "\r\n")
end

--- The text in quoted-printable, its line ends as CRLF, the last line ended.
function M.quoted_printable(text)
  local out = {}
  text = text:gsub("\r\n?", "\n")
  if text:sub(-1) ~= "\n" then
    text = text .. "\n"
  end
  for line in text:gmatch("([^\n]*)\n") do
    out[#out + 1] = quoted_line(line) .. "\r\n"
  end
  return table.concat(out)
end

local function part(kind, text)
  return "Content-Type: text/" .. kind .. "; charset=utf-8\r\n"
    .. "Content-Transfer-Encoding: quoted-printable\r\n\r\n" .. M.quoted_printable(text)
end

-- The boundary holds "=_", which quoted-printable never does.
local function content(text, html)
  if not html then
    return part("plain", text)
  elseif not text then
    return part("html", html)
  end
  local boundary = "=_" .. crypto.hex(crypto.random(12))
  return ('Content-Type: multipart/alternative; boundary="%s"\r\n\r\n'):format(boundary)
    .. "--" .. boundary .. "\r\n" .. part("plain", text)
    .. "--" .. boundary .. "\r\n" .. part("html", html)
    .. "--" .. boundary .. "--\r\n"
end

--- A mail as text, for host.smtp.
--   mime.message({ from = { name = "Riverton", address = "no-reply@riverton.example" },
--     to = { "ann@example.org" }, subject = "Fixed", text = "The lamp works again." })
-- Addresses are texts or { name =, address = }. Line breaks in names, the subject and headers
-- become spaces. Raises VALIDATION_ERROR for an address that is none.
-- @param mail { from, to = { ... }, reply_to?, subject, text?, html?, headers = { Name = text }?,
--   date_ms?, message_id? }; with text and html the reader chooses
function M.message(mail)
  assert(mail.text or mail.html, "a mail has text, html or both")
  assert(mail.to[1], "a mail has recipients")
  local from = mailbox(mail.from)
  local address = type(mail.from) == "table" and mail.from.address or mail.from
  local lines = {
    "Date: " .. date(mail.date_ms or time.now_ms()),
    "From: " .. from,
    "To: " .. mailboxes(mail.to),
    "Subject: " .. unstructured(mail.subject),
    "Message-ID: <" .. one_line(mail.message_id or uuid.v7() .. address:match("@.*$")) .. ">",
    "MIME-Version: 1.0",
  }
  if mail.reply_to then
    lines[#lines + 1] = "Reply-To: " .. mailbox(mail.reply_to)
  end
  local names = {}
  for name in pairs(mail.headers or {}) do
    assert(name:find("^[%w-]+$"), "a header's name is letters, digits and dashes")
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    lines[#lines + 1] = name .. ": " .. unstructured(mail.headers[name])
  end
  return table.concat(lines, "\r\n") .. "\r\n" .. content(mail.text, mail.html)
end

return M
