--- Mails from templates. A template says a thing once; text and HTML are both made from it:
--
--   { subject = "Confirm your address",
--     paragraphs = { "Hello {{name}},", "..." },
--     action = { label = "Confirm the address", url = "{{link}}" },    or nil
--     note = "If this was not you, ignore this mail." }                 or nil
--
-- {{name}} is a value of the data; in HTML it is escaped. A value that is missing raises.

local M = {}

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
  ["'"] = "&#39;" }

local PAGE = [[
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>%s</title></head>
<body style="margin:0;padding:24px;background:#f4f5f7;color:#1d2330">
<div style="font:16px/1.5 system-ui,sans-serif;max-width:520px;margin:0 auto">
<div style="padding:28px 32px;background:#fff;border-radius:8px">
%s
</div>
</div>
</body>
</html>
]]
local PARAGRAPH = '<p style="margin:0 0 16px">%s</p>'
local BUTTON = '<p style="margin:0 0 16px"><a href="%s" style="display:inline-block;'
  .. 'padding:10px 18px;background:#1f5fbf;color:#fff;text-decoration:none;border-radius:6px">'
  .. "%s</a></p>"
local NOTE = '<p style="margin:0;font-size:13px;color:#667085">%s</p>'

--- A text as HTML shows it.
function M.escape(text)
  return (tostring(text):gsub("[&<>\"']", ESCAPES))
end

local function plain(text)
  return text
end

local function fill(text, data, write)
  return (text:gsub("{{(%w+)}}", function(name)
    local value = data[name]
    if value == nil then
      error("mail template: there is no value for " .. name, 0)
    end
    return write(tostring(value))
  end))
end

local function as_text(template, data)
  local parts = {}
  for i, paragraph in ipairs(template.paragraphs) do
    parts[i] = fill(paragraph, data, plain)
  end
  local action = template.action
  if action then
    parts[#parts + 1] = fill(action.label, data, plain) .. ":\n" .. fill(action.url, data, plain)
  end
  parts[#parts + 1] = template.note and fill(template.note, data, plain)
  return table.concat(parts, "\n\n") .. "\n"
end

-- The template's own words are escaped too: they are text, not HTML.
local function as_html(template, data)
  local function html(text)
    return fill(M.escape(text), data, M.escape)
  end
  local parts = {}
  for i, paragraph in ipairs(template.paragraphs) do
    parts[i] = PARAGRAPH:format((html(paragraph):gsub("\n", "<br>")))
  end
  local action = template.action
  if action then
    parts[#parts + 1] = BUTTON:format(html(action.url), html(action.label))
  end
  parts[#parts + 1] = template.note and NOTE:format(html(template.note))
  return PAGE:format(html(template.subject), table.concat(parts, "\n"))
end

--- A mail's HTML around some of its own. @param body HTML
function M.page(subject, body)
  return PAGE:format(M.escape(subject), body)
end

--- A text as paragraphs of HTML: an empty line ends one.
function M.paragraphs(text)
  local parts = {}
  for paragraph in (text .. "\n\n"):gmatch("(.-)\n[ \t\r]*\n+") do
    if paragraph:find("%S") then
      parts[#parts + 1] = PARAGRAPH:format((M.escape(paragraph):gsub("\n", "<br>")))
    end
  end
  return table.concat(parts, "\n")
end

--- Fills a template.
-- @return {subject, text, html}
function M.render(template, data)
  return {
    subject = fill(template.subject, data, plain),
    text = as_text(template, data),
    html = as_html(template, data),
  }
end

return M
