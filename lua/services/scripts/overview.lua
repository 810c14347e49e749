--- All there is of a tenant's scripts, at a glance.

local json = require("core.json")
local drafts = require("services.scripts.drafts")
local releases = require("services.scripts.releases")
local secrets = require("services.scripts.secrets")
local store = require("services.scripts.store")
local view = require("services.scripts.view")

local M = {}

local function each(rows, show)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = show(row)
  end
  return list
end

--- {draft, active, canary, disabled, secrets}, and the tag of the draft.
function M.get(ctx)
  local running, standing = releases.running(ctx)
  local version = standing.draft_version or 0
  running.draft = { version = version, files = each(store.list_draft(ctx), view.listed) }
  running.disabled = each(store.list_disabled(ctx), view.disabled)
  running.secrets = secrets.list(ctx)
  return running, drafts.tag(version)
end

return M
