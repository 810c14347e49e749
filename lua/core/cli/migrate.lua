-- fixxit migrate: brings the database to what the code needs, and back.

local json = require("core.json")
local migrate = require("core.migrate")

local M = {
  summary = "Apply migrations (up), take them back (down), list them (status), begin one (new).",
  usage = "[up | down | status | new NAME]",
  options = {
    { "--dry-run", "only tell what would be done" },
    { "--count N", "down: how many to take back (1)" },
    { "--plugin NAME", "new: in the folder of a plugin" },
  },
}

local function label(migration)
  return ("%s %04d_%s"):format(migration.scope, migration.version, migration.name)
end

local function as_json(list)
  local out = json.array({})
  for _, migration in ipairs(list) do
    out[#out + 1] = {
      scope = migration.scope, version = migration.version, name = migration.name,
      state = migration.state, appliedAt = migration.applied_at,
    }
  end
  return out
end

local function report(cx, list, word)
  if cx.json then
    cx.print_json(as_json(list))
    return
  end
  if cx.options.dry_run then
    for _, migration in ipairs(list) do
      cx.print("would " .. word .. " " .. label(migration))
    end
  end
  if #list == 0 then
    cx.print("nothing to do")
  end
end

local ACTIONS = {}

function ACTIONS.up(cx)
  report(cx, migrate.up({
    dry_run = cx.options.dry_run,
    progress = function(migration)
      if not cx.json then
        cx.print("apply " .. label(migration))
      end
    end,
  }), "apply")
end

function ACTIONS.down(cx)
  local count = tonumber(cx.options.count or 1)
  if not count or count < 1 then
    error("--count is a number from 1", 0)
  end
  report(cx, migrate.down(count, {
    dry_run = cx.options.dry_run,
    progress = function(migration)
      if not cx.json then
        cx.print("take back " .. label(migration))
      end
    end,
  }), "take back")
end

-- Exits 1 when something is not applied, for scripts.
function ACTIONS.status(cx)
  local list, clean = migrate.status(), true
  for _, migration in ipairs(list) do
    clean = clean and migration.state == "applied"
    if not cx.json then
      cx.print(("%-8s %s"):format(migration.state, label(migration)))
    end
  end
  if cx.json then
    cx.print_json(as_json(list))
  end
  return clean and 0 or 1
end

function ACTIONS.new(cx)
  if not cx.args[2] then
    error("fixxit migrate new NAME", 0)
  end
  cx.print(migrate.new(cx.args[2], cx.options.plugin))
end

function M.run(cx)
  local action = ACTIONS[cx.args[1] or "up"]
  if not action then
    error("up, down, status or new, not '" .. cx.args[1] .. "'", 0)
  end
  return action(cx)
end

return M
