--- Development: a save in tenants/<slug>/ replaces the tenant's one unnumbered release at once.
--
-- A save there builds a new generation, as it does elsewhere; one worker then compares the folders
-- with what they were. The first look of a process changes nothing, so that a server begins with
-- what was published, unless it runs what such a folder held before.

local config = require("core.config")
local context = require("core.context")
local crypto = require("core.crypto")
local errors = require("core.errors")
local fs = require("core.fs")
local log = require("core.log")
local sys = require("core.sys")
local task = require("core.task")
local identity = require("services.identity")
local folder = require("services.scripts.folder")
local releases = require("services.scripts.releases")
local store = require("services.scripts.store")

local M = {}

local KEY = "scripts.folder."
local DIGITS = 12 -- of hex: exact as a number

local function fingerprint(files)
  local texts = {}
  for i, file in ipairs(files) do
    texts[i] = ("%s %d\n%s"):format(file.path, #file.content, file.content)
  end
  return tonumber(crypto.hex(crypto.hash("sha256", table.concat(texts, "\n"))):sub(1, DIGITS), 16)
end

-- What the folder held when it was last looked at; nil when that is not known.
local function known(ctx, slug)
  local print = sys.shared_get(KEY .. slug)
  if print ~= 0 then
    return print
  end
  local standing = store.find_standing(ctx)
  local row = standing and standing.release_id and store.find_running(ctx, standing.release_id)
  return row and not row.number and fingerprint(store.list_release_files(ctx, row.id)) or nil
end

local function tell(ctx, slug, result)
  if result.ok then
    log.info(ctx, "scripts: the saved files run", { tenant = slug })
    return
  end
  for _, problem in ipairs(result.problems) do
    log.warn(ctx, "scripts: " .. problem.message, { severity = problem.severity,
      file = ("tenants/%s/%s:%d:%d"):format(slug, problem.file, problem.line, problem.column) })
  end
end

local function look(slug)
  local system = context.system({ name = "development" })
  local tenant = identity.find_tenant_by_slug(system, slug)
  local found = tenant and folder.read(folder.of(slug))
  if not found then
    return
  end
  local ctx = context.system({ name = "development", tenant = tenant })
  local before, now = known(ctx, slug), fingerprint(found.files)
  sys.shared_set(KEY .. slug, now)
  if before and before ~= now then
    tell(ctx, slug, releases.replace_dev(ctx, found.files))
  end
end

--- Compares the folders of all tenants with what they were.
function M.look()
  for _, slug in ipairs(fs.list(folder.root()) or {}) do
    local ok, err = xpcall(look, errors.capture, slug)
    if not ok then
      log.warn(nil, "scripts: the folder was not read", { tenant = slug, error = tostring(err) })
    end
  end
end

--- Looks at the folders once, in one worker of a server that watches for saves.
function M.start()
  local role, index = sys.role()
  local settings = config.get()
  if settings.server.reload_watch and settings.env ~= "production" and role == "http"
    and index == 1 then
    task.spawn(M.look)
  end
end

return M
