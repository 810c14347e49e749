--- What is in the databases: tenants that all lie in one town and write with one vocabulary, so
-- that only their number and the number of their reports differ from one run to another.
--
-- Rows are written to files that MariaDB loads: a million of them in a minute.
local geo = require("plugins.reports.rules.geo")

local M = {}

local CENTRE = { latitude = 51.4545, longitude = -2.6015 }
local TOWN_DEGREES = 0.05 -- from the centre to the edge
local YEARS_MS = 3 * 365 * 86400 * 1000 -- over which the reports came in
local CATEGORIES = { "roads", "street_light", "electrical", "water", "parks", "waste", "signs",
  "building", "other" }
local SEVERITIES = { "low", "medium", "high", "critical" }
local STATUSES = { "submitted", "acknowledged", "in_progress", "resolved", "closed" }
local THINGS = { "Deep pothole", "Street light out", "Overflowing bin", "Fallen tree",
  "Broken bench", "Graffiti", "Water leak", "Loose paving slab", "Missing sign", "Blocked drain",
  "Hanging cable", "Dead signal", "Abandoned car", "Broken swing", "Faded markings" }
local PLACES = { "by the bus stop", "outside the school", "on the bridge", "behind the garages",
  "at the crossing", "in the park", "near the station", "at the market", "below the weir",
  "opposite the library", "on Mill Road", "on Church Street", "in Weir Lane", "at the roundabout" }
local DESCRIPTION = "It has been like this for three days now and gets worse with the rain. "
  .. "People walk around it on the road, which is dangerous when it is dark."
local CODE_LETTERS = "34679ACDEFGHJKMNPRTVWXY"
local PICTURE_EVERY = 2 -- one report in so many has a picture

-- Numbers that look like chance and are the same in every run (Lehmer, 2^31 - 1).
local state
local function random(n)
  state = state * 48271 % 2147483647
  return state % n
end

local function pick(list)
  return list[random(#list) + 1]
end

local function uuid(ms)
  return ("%08x-%04x-7%03x-8%03x-%04x%08x"):format(math.floor(ms / 65536), ms % 65536,
    random(4096), random(4096), random(65536), random(2147483647))
end

local function time(ms)
  return os.date("!%Y-%m-%d %H:%M:%S", math.floor(ms / 1000)) .. (".%03d"):format(ms % 1000)
end

-- Different for every n: its digits to the base of the alphabet.
local function code(n)
  local text = ""
  for _ = 1, 8 do
    local digit = n % #CODE_LETTERS + 1
    text = text .. CODE_LETTERS:sub(digit, digit)
    n = math.floor(n / #CODE_LETTERS)
  end
  return text
end

local Table = {}
Table.__index = Table

-- LOAD DATA passes over the defaults of JSON columns: `set` gives them.
local function open(folder, name, columns, set)
  local path = folder .. "/" .. name .. ".tsv"
  return setmetatable({ name = name, columns = columns, path = path, set = set and " SET " .. set or "",
    file = assert(io.open(path, "w")) }, Table)
end

function Table:add(...)
  self.file:write(table.concat({ ... }, "\t"), "\n")
end

function Table:close()
  self.file:close()
  return ("LOAD DATA INFILE '%s' INTO TABLE %s CHARACTER SET utf8mb4 (%s)%s;\n")
    :format(self.path, self.name, self.columns, self.set)
end

local function open_tables(folder)
  return {
    tenants = open(folder, "tenants", "id, slug, organization_name, subscription_tier",
      "contact_info = '{}', branding_config = '{}', api_limits = '{}', settings = '{}'"),
    users = open(folder, "users", "id, email, first_name, last_name, user_type, email_verified"),
    members = open(folder, "user_tenants", "id, user_id, tenant_id, role"),
    sessions = open(folder, "sessions", "id, user_id, tenant_id, expires_at"),
    reports = open(folder, "reports", "id, tenant_id, tracking_code, title, description, category, "
      .. "severity_level, status, location_description, latitude, longitude, cell, source, "
      .. "sla_due_at, created_at, updated_at", "tags = '[]', metadata = '{}'"),
    history = open(folder, "report_status_history", "id, tenant_id, report_id, to_status, created_at"),
    files = open(folder, "files", "id, tenant_id, sha256, path, file_type, file_size, width, height"),
    attachments = open(folder, "attachments", "id, tenant_id, parent_type, parent_id, file_id"),
  }
end

-- A table before those that refer to it.
local ORDER = { "tenants", "users", "members", "sessions", "reports", "history", "files",
  "attachments" }

local function add_person(tables, i, now_ms)
  local person = { tenant_id = uuid(now_ms), user_id = uuid(now_ms), session_id = uuid(now_ms),
    reports = {}, files = {} }
  tables.tenants:add(person.tenant_id, "bench-" .. i, "Town " .. i, "enterprise")
  tables.users:add(person.user_id, "dispatcher@bench-" .. i .. ".example", "Dana", "Diaz",
    "employee", 1)
  tables.members:add(uuid(now_ms), person.user_id, person.tenant_id, "dispatcher")
  tables.sessions:add(person.session_id, person.user_id, person.tenant_id,
    time(now_ms + 7 * 86400 * 1000))
  return person
end

local function place(centre)
  return centre + (random(20001) / 10000 - 1) * TOWN_DEGREES
end

local function add_report(tables, person, n, created_ms)
  local id, at = uuid(created_ms), time(created_ms)
  local latitude, longitude = place(CENTRE.latitude), place(CENTRE.longitude)
  local where = pick(PLACES)
  local report = { id = id, code = code(n) }
  tables.reports:add(id, person.tenant_id, report.code, pick(THINGS) .. " " .. where, DESCRIPTION,
    pick(CATEGORIES), pick(SEVERITIES), pick(STATUSES), where, ("%.6f"):format(latitude),
    ("%.6f"):format(longitude), geo.encode(latitude, longitude), "web",
    time(created_ms + 72 * 3600 * 1000), at, at)
  tables.history:add(uuid(created_ms), person.tenant_id, id, "submitted", at)
  person.reports[#person.reports + 1] = report
  return report
end

-- Every file has a content of its own as far as the database knows, so that each has a thumbnail
-- of its own; on disk they are the same picture.
local function add_file(tables, person, report, n, created_ms, picture)
  local id = uuid(created_ms)
  tables.files:add(id, person.tenant_id, ("be%062x"):format(n), picture.path, "image/jpeg",
    picture.bytes, 4000, 3000)
  tables.attachments:add(uuid(created_ms), person.tenant_id, "report", report.id, id)
  person.files[#person.files + 1] = id
end

--- Writes the rows to files.
-- @param options name, folder, reports, tenants (numbers), picture {path, bytes}
-- @return {name, sql = statements that load them, people = per tenant {tenant_id, user_id, session_id,
--   reports = {id, code}, files = {id}}}
function M.make(options)
  jit.off() -- these short loops full of string.format: three times as fast without the compiler
  state = 20260101
  local tables, people = open_tables(options.folder), {}
  local now_ms = os.time() * 1000
  for i = 1, options.tenants do
    people[i] = add_person(tables, i, now_ms)
  end
  for n = 1, options.reports do
    local person = people[n % options.tenants + 1]
    local created_ms = now_ms - math.floor((options.reports - n + 1) * YEARS_MS / options.reports)
    local report = add_report(tables, person, n, created_ms)
    if random(PICTURE_EVERY) == 0 then
      add_file(tables, person, report, n, created_ms, options.picture)
    end
  end
  local sql = { "SET foreign_key_checks = 0, unique_checks = 0;\n" }
  for _, name in ipairs(ORDER) do
    sql[#sql + 1] = tables[name]:close()
  end
  sql[#sql + 1] = "ANALYZE TABLE tenants, users, reports, report_status_history, files, attachments;"
  return { name = options.name, sql = table.concat(sql), people = people }
end

--- A new report as a client sends it, as a table.
function M.new_report(n)
  state = n * 7919 + 13
  local where = pick(PLACES)
  return {
    title = pick(THINGS) .. " " .. where, description = DESCRIPTION, category = pick(CATEGORIES),
    severity = pick(SEVERITIES), source = "web", tags = { "bench" },
    location = { description = where, latitude = math.floor(place(CENTRE.latitude) * 1e6) / 1e6,
      longitude = math.floor(place(CENTRE.longitude) * 1e6) / 1e6 },
  }
end

return M
