--- `fixxit scripts`: a tenant's files from a shell or from git.

local context = require("core.context")
local errors = require("core.errors")
local json = require("core.json")
local plugin = require("core.plugin")
local system_routes = require("core.system_routes")
local identity = require("services.identity")
local check = require("services.scripts.check")
local compare = require("services.scripts.compare")
local drafts = require("services.scripts.drafts")
local folder = require("services.scripts.folder")
local releases = require("services.scripts.releases")
local store = require("services.scripts.store")

local LISTED = 20

local M = {
  summary = "A tenant's scripts: pull, check, diff, push, releases, rollback.",
  usage = "pull | check | diff | push | releases | rollback N --tenant SLUG",
  options = {
    { "--tenant SLUG", "whose scripts" },
    { "--folder PATH", "where the files are (tenants/SLUG)" },
    { "--message TEXT", "push: what the release is for" },
    { "--canary PERCENT", "push: only for a share of the reports and work orders" },
    { "--draft", "push: the draft only, nothing is published" },
    { "--release N", "pull: the files of a release instead of the draft" },
  },
}

local function whole(text, what)
  return text and (tonumber(text:match("^%d+$")) or error(what .. " must be a number", 0))
end

local function folder_of(cx)
  return cx.options.folder or folder.of(cx.options.tenant)
end

local function read_folder(cx)
  local path = folder_of(cx)
  local found = folder.read(path) or error("there is no folder " .. path, 0)
  for _, other in ipairs(found.others) do
    cx.print(("%s/%s: no script by its name, left out"):format(path, other))
  end
  return found.files
end

local function print_problems(cx, problems)
  for _, problem in ipairs(problems) do
    cx.print(("%s:%d:%d: %s: %s"):format(problem.file, problem.line, problem.column,
      problem.severity, problem.message))
  end
end

local function print_release(cx, release)
  cx.print(("%4d  %-9s %s  %s"):format(release.release,
    release.canary ~= json.null and ("%s %d%%"):format(release.state, release.canary)
    or release.state, release.createdAt, release.message))
end

local commands = {}

function commands.pull(ctx, cx)
  local number = whole(cx.options.release, "--release")
  local files = number and store.list_release_files(ctx, releases.get(ctx, number).id)
    or drafts.read(ctx).files
  folder.write(folder_of(cx), files)
  cx.print(("%d files in %s"):format(#files, folder_of(cx)))
end

function commands.check(ctx, cx)
  local result = check.run(ctx, read_folder(cx))
  if cx.json then
    result.declared = nil
    cx.print_json(result)
    return result.ok and 0 or 1
  end
  print_problems(cx, result.problems)
  for _, hook in ipairs(result.hooks) do
    cx.print(("%s:%d: %s %s"):format(hook.file, hook.line, hook.kind, hook.name))
  end
  cx.print(result.ok and "ok" or "not to be published as it is")
  return result.ok and 0 or 1
end

function commands.diff(ctx, cx)
  for _, change in ipairs(compare.with_files(ctx, read_folder(cx))) do
    cx.print(("%s %s\n%s"):format(change.change, change.path, change.diff))
  end
end

function commands.push(ctx, cx)
  local message = cx.options.message
  if not cx.options.draft and (not message or message == "") then
    error("needs --message (or --draft)", 0)
  end
  local share = whole(cx.options.canary, "--canary")
  if share and (share < 1 or share > 99) then
    error("--canary must be 1 to 99", 0)
  end
  local done = drafts.replace(ctx, read_folder(cx))
  cx.print(("the draft: %d files added, %d changed, %d removed")
    :format(#done.added, #done.changed, #done.removed))
  if cx.options.draft then
    return 0
  end
  local ok, result = pcall(releases.publish, ctx, { message = message, canary = share })
  if not ok and errors.is(result, "CHECK_FAILED") then
    print_problems(cx, result.details)
    cx.print("not published")
    return 1
  elseif not ok then
    error(result, 0)
  end
  print_release(cx, result)
end

function commands.releases(ctx, cx)
  local list = releases.list(ctx, { limit = LISTED })
  if cx.json then
    return cx.print_json(list)
  end
  for _, release in ipairs(list) do
    print_release(cx, release)
  end
end

function commands.rollback(ctx, cx)
  local number = whole(cx.args[2] or cx.options.release, "the release")
  if not number then
    error("rollback needs the number of a release", 0)
  end
  print_release(cx, releases.rollback(ctx, number))
end

function M.run(cx)
  local command = commands[cx.args[1] or ""]
  if not command or not cx.options.tenant then
    error("fixxit scripts " .. M.usage, 0)
  end
  plugin.load(system_routes) -- what rules can use is what all modules offer
  local system = context.system({ name = "command" })
  local tenant = identity.find_tenant_by_slug(system, cx.options.tenant)
    or error("there is no tenant '" .. cx.options.tenant .. "'", 0)
  return command(context.system({ name = "command", tenant = tenant }), cx)
end

return { scripts = M }
