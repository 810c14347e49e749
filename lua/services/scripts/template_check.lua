--- Whether a template that was declared fits its channel, and what it names is there.

local registry = require("core.registry")
local utf8 = require("core.schema.text")

local M = {}

--- {{workorder.number}}; captures the path of a value.
M.PLACEHOLDER = "{{%s*([%w_.]+)%s*}}"

-- What each channel's template has, and what of it must be there.
local FIELDS = {
  email = { subject = true, body = true, html = true },
  sms = { body = true },
  push = { subject = true, body = true },
  in_app = { subject = true, body = true },
}
local NEEDED = { email = "body", sms = "body", push = "body", in_app = "subject" }
local SHOWN_MAX = 40 -- bytes
local ALWAYS = { title = true, message = true, name = true, tenant = true }

local function names_of(fields)
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

local function check_placeholders(hook, text, problem)
  local known = registry.messages[hook.name]
  local rest = text:gsub(M.PLACEHOLDER, function(name)
    if known and not ALWAYS[name] and not known[name] then
      problem("warning", ("template: nothing of '%s' is called '%s'"):format(hook.name, name))
    end
    return ""
  end)
  for open in rest:gmatch("{{[^{}\n]*}?}?") do
    problem("warning", ("template: '%s' stands for nothing: it must be like {{title}}"):format(
      utf8.cut(open, SHOWN_MAX)))
  end
end

--- Tells what is wrong with a declared template.
-- @param problem called with a severity and a message
function M.check(hook, problem)
  local fields, needed = FIELDS[hook.channel], NEEDED[hook.channel]
  for name, text in pairs(hook.fields) do
    if not fields[name] then
      problem("error", ("template: a message by %s has no '%s': it takes %s"):format(hook.channel,
        name, names_of(fields)))
    elseif type(text) == "string" then
      check_placeholders(hook, text, problem)
    elseif hook.channel == "in_app" then
      -- It is written in the transaction of what it tells, which waits for no rule.
      problem("error", "template: a message by in_app takes texts, no functions")
    end
  end
  if hook.fields[needed] == nil then
    problem("error", ("template: a message by %s needs '%s'"):format(hook.channel, needed))
  end
end

return M
