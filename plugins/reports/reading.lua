-- Reading one report: with all that hangs on it for those who sign in, by its tracking code for
-- whoever has that.

local etag = require("core.etag")
local json = require("core.json")
local files = require("services.files")
local identity = require("services.identity")
local access = require("plugins.reports.rules.access")
local changes = require("plugins.reports.changes")
local contact = require("plugins.reports.contact")
local extensions = require("plugins.reports.extensions")
local store = require("plugins.reports.store")
local tracked = require("plugins.reports.tracked")
local tracking = require("plugins.reports.rules.tracking")
local tracking_store = require("plugins.reports.tracking_store")
local view = require("plugins.reports.rules.view")

local M = {}

jit.on(true, true) -- what many ask for again and again

local SORTED = { sorted = true }

--- Returns the row of a report that the caller may read, or nil. `code` is a tracking code that
-- was shown, or nil.
function M.find(ctx, id, code)
  local report = store.get(ctx, id)
  if report and access.can_read(access.person(ctx), report, code) then
    return report
  end
end

local function attachments_of(ctx, kept)
  return kept.has_attachments == 1 and files.list_text(ctx, "report", kept.id) or "[]"
end

-- How a detail is read: the statement, which tells what sections have something to read, the
-- shapes, and the sections: {name, column, key} each. Made at the first use: by then the plugins
-- have registered their sections.
local plan
local function detail_plan()
  if not plan then
    local columns, sql, sections = {}, {}, {}
    for i, name in ipairs(extensions.section_names()) do
      columns[i] = "has_" .. name
      sections[i] = { name = name, column = columns[i], key = ',"' .. name .. '":' }
      sql[i] = ", " .. extensions.section_exists(name, "r.id") .. " AS " .. columns[i]
    end
    plan = {
      staff = view.detail_shape(true, columns),
      reporter = view.detail_shape(false, {}),
      staff_sql = store.show_sql(table.concat(sql)),
      sql = store.show_sql(""),
      sections = sections,
    }
  end
  return plan
end

local function section_of(ctx, section, kept)
  return kept[section.column] == 1
    and json.encode(extensions.read_section(ctx, section.name, { kept.id })[kept.id], SORTED)
    or "[]"
end

local function sections_of(ctx, sections, kept)
  local text = ""
  for i = 1, #sections do
    text = text .. sections[i].key .. section_of(ctx, sections[i], kept)
  end
  return text
end

-- Put together in one order, so that the same state has the same text and the same tag in every
-- process; and not here: each long text that Lua makes on the way is copied, hashed and kept.

--- Returns one report with everything the caller may see of it, as a value of json.raw, and its
-- version.
function M.show(ctx, id)
  local person = access.person(ctx)
  local is_staff = person.reads_all
  local how = detail_plan()
  local text, kept, history = store.show(ctx, id, is_staff and how.staff or how.reporter,
    is_staff and how.staff_sql or how.sql)
  if not text or not access.can_read(person, kept) then
    changes.not_found()
  end
  return json.raw(text, ',"reporter":', view.reporter_json(kept, contact.open(ctx, kept)),
    ',"attachments":', attachments_of(ctx, kept), ',"history":[', history, "]",
    is_staff and sections_of(ctx, how.sections, kept) or "", "}"), kept.version
end

-- The tenant in which a code was found, whom whoever has the code need not name; nil when they name
-- another.
local function tenant_of(ctx, found)
  if ctx.tenant then
    return ctx.tenant.id == found.tenant_id and ctx.tenant or nil
  end
  return identity.find_tenant(ctx, found.tenant_id)
end

-- A context of that tenant, or nil.
local function context_of(ctx, found)
  local tenant = tenant_of(ctx, found)
  return tenant and ctx:with({ tenant = tenant })
end

--- Returns the row of a report by its tracking code and a context of its tenant, or nil.
function M.find_by_code(ctx, text)
  local code = tracking.normalize(text)
  local found = code and tracking_store.find(ctx, code)
  local own = found and context_of(ctx, found)
  return own and store.get(own, found.id), own
end

-- With the code in their addresses: whoever has it may follow them.
local function tracked_attachments(ctx, kept, code)
  return (attachments_of(ctx, kept)
    :gsub('("url":"[^"?]+)"', "%1?track=" .. code .. '"')
    :gsub('("thumbnailUrl":"[^"]+)"', "%1&track=" .. code .. '"'))
end

local function read_tracked(ctx, found, code)
  local text, kept, history = store.show(ctx, found.id, view.TRACKED, detail_plan().sql)
  if text then
    text = text .. ',"attachments":' .. tracked_attachments(ctx, kept, code)
      .. ',"history":[' .. history .. "]}"
    return { text = text, tag = etag.of_text(text), tenant_id = found.tenant_id }
  end
end

--- Returns the public view of a report by its tracking code, with its history, as JSON text, and
-- its tag.
function M.track(ctx, text)
  local code = tracking.normalize(text) or changes.not_found()
  local answer = tracked.find(code)
  if answer then
    return tenant_of(ctx, answer) and answer.text or changes.not_found(), answer.tag
  end
  local found = tracking_store.find(ctx, code)
  local own = found and context_of(ctx, found)
  answer = own and tracked.keep(code, found.id, function()
    return read_tracked(own, found, code)
  end) or changes.not_found()
  return answer.text, answer.tag
end

return M
