-- The demo world of Riverton: its teams, what was reported and done, and the rules that run. Does
-- nothing in a world that has it; one that was made without a past gets it, unless somebody has
-- begun to write rules there.

local companions = require("core.companions")
local config = require("core.config")
local context = require("core.context")
local db = require("core.db")
local time = require("core.time")
local identity = require("services.identity")
local scripts = require("services.scripts")
local reports = require("plugins.reports")
local agendas = require("plugins.demo.agenda")
local past = require("plugins.demo.past")
local today = require("plugins.demo.today")
local worlds = require("plugins.demo.world")

local M = {}

local TENANT = "riverton"
local RELEASE = "The rules of tenants/riverton"

local function make(tx, is_new, has_past)
  local now_ms = time.now_ms()
  local world, agenda = worlds.open(tx, has_past), agendas.new()
  if is_new then
    world:make_teams()
    today.plan(agenda, now_ms)
  end
  if has_past then
    past.plan(agenda, now_ms)
  end
  agenda:run(world, now_ms)
  world:leave()
  if has_past then
    scripts.publish_folder(world.admin, RELEASE)
  end
end

--- Makes what is missing, all of it or nothing.
function M.run(ctx)
  local tenant = identity.find_tenant_by_slug(ctx, TENANT)
  local own = tenant and context.system({ tenant = tenant, name = "seed" })
  if not own then
    return
  end
  local is_new = reports.count(own, {}) == 0
  local has_past = config.get().demo.past and scripts.is_untouched(own)
  if not is_new and not has_past then
    return
  end
  local zygote = has_past and companions.start("scripts")
  local ok, err = pcall(db.transaction, own, function(tx)
    make(tx, is_new, has_past)
  end)
  time.pretend(nil)
  companions.stop(zygote)
  if not ok then
    error(err, 0)
  end
end

return M
