--- `fixxit scripts`: a tenant's files from a shell or from git.

local companions = require("core.companions")
local context = require("core.context")
local errors = require("core.errors")
local json = require("core.json")
local plugin = require("core.plugin")
local registry = require("core.registry")
local system_routes = require("core.system_routes")
local task = require("core.task")
local identity = require("services.identity")
local actions = require("services.scripts.actions")
local check = require("services.scripts.check")
local compare = require("services.scripts.compare")
local drafts = require("services.scripts.drafts")
local folder = require("services.scripts.folder")
local releases = require("services.scripts.releases")
local runs_view = require("services.scripts.runs_view")
local specs = require("services.scripts.specs")
local store = require("services.scripts.store")
local trial = require("services.scripts.trial")

local LISTED = 20
local LAST = 100
local POLL_MS = 250
-- What needs no database: for files of nobody in particular.
local WITHOUT_TENANT = { check = true, spec = true }
local NOBODY = { id = "nobody", slug = "nobody", timezone = "UTC" }
local NEEDS_PROCESS = { check = true, spec = true, test = true, push = true }

local M = {
  summary = "A tenant's scripts: pull, check, spec, test, diff, push, releases, rollback, runs.",
  usage = "pull | check | spec | test | diff | push | releases | rollback N | runs --tenant SLUG; "
    .. "check and spec also with --folder alone; names tells what rules can use",
  options = {
    { "--tenant SLUG", "whose scripts" },
    { "--folder PATH", "where the files are (tenants/SLUG)" },
    { "--message TEXT", "push: what the release is for" },
    { "--canary PERCENT", "push: only for a share of the reports and work orders" },
    { "--draft", "push: the draft only, nothing is published" },
    { "--last N", "test: the draft over so many past events (100); runs: so many (20)" },
    { "--compare", "test: and what the active release would have done otherwise" },
    { "--force", "rollback: also to a release that was taken back as a canary" },
    { "--release N", "pull: the files of a release instead of the draft" },
    { "--clean", "pull: and remove the scripts from the folder that are none of its files" },
    { "--status STATUS", "runs: those that ended so, such as error,dead" },
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
  cx.print(("%4s  %-9s %s  %s"):format(release.release == json.null and "dev" or release.release,
    release.canary ~= json.null and ("%s %d%%"):format(release.state, release.canary)
    or release.state, release.createdAt, release.message)
    .. (release.withdrawn ~= json.null and (" (%s)"):format(release.withdrawn) or ""))
end

-- What was in the folder before and would be pushed together with what was pulled.
local function settle_others(cx, files)
  local path, clean = folder_of(cx), cx.options.clean
  for _, other in ipairs(folder.list_others(path, files)) do
    if clean then
      folder.remove(path, other)
    end
    cx.print(("%s/%s: %s"):format(path, other, clean and "removed"
      or "was not pulled, and a push would publish it too; --clean removes it"))
  end
end

local commands = {}

function commands.pull(ctx, cx)
  local number = whole(cx.options.release, "--release")
  local files = number and store.list_release_files(ctx, releases.get(ctx, number).id)
    or drafts.read(ctx).files
  folder.write(folder_of(cx), files)
  cx.print(("%d files in %s"):format(#files, folder_of(cx)))
  settle_others(cx, files)
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

local function print_failure(cx, file, line, error)
  cx.print(("%s:%d: %s"):format(error.file or file, error.line or line, error.message))
end

function commands.spec(ctx, cx)
  local results, problems = specs.run(ctx, read_folder(cx))
  for _, problem in ipairs(problems or {}) do
    print_failure(cx, problem.file or "", problem.line or 0, problem)
  end
  local failed = 0
  for _, result in ipairs(results or {}) do
    cx.print((result.error and "failed  " or "ok      ") .. result.name)
    if result.error then
      failed = failed + 1
      print_failure(cx, result.file, result.line, result.error)
    end
  end
  if not results then
    return 1
  end
  cx.print(("%d specs, %d failed"):format(#results, failed))
  return failed > 0 and 1 or 0
end

local function print_actions(cx, prefix, list, error)
  for _, action in ipairs(list) do
    cx.print(("%s %s %s  (%s:%d)"):format(prefix, action.call, json.encode(action.arguments),
      action.file, action.line))
  end
  if error then
    cx.print(("%s %s: %s"):format(prefix, error.code, error.message))
  end
end

-- What takes long is done by the server's queue.
local function await_trial(ctx, id)
  local found = trial.get(ctx, id)
  while found.state == "running" do
    task.sleep(POLL_MS)
    found = trial.get(ctx, id)
  end
  return found.result or error(found.error.message, 0)
end

function commands.test(ctx, cx)
  local answer, id = trial.run(ctx, { last = whole(cx.options.last, "--last") or LAST,
    compare = cx.options.compare and "active" or nil })
  answer = answer or await_trial(ctx, id)
  if cx.json then
    return cx.print_json(answer)
  end
  local of_id = {}
  for _, event in ipairs(answer.events) do
    of_id[event.eventId] = event
    cx.print(("%s %s  %g ms"):format(event.event, tostring(event.resourceId), event.cpuMs))
    print_actions(cx, "   ", event.actions, event.error)
  end
  for _, differs in ipairs(answer.difference or {}) do
    local event = of_id[differs.eventId]
    cx.print(("%s %s differs from the active release"):format(event.event,
      tostring(event.resourceId)))
    print_actions(cx, "  -", differs.active, differs.activeError)
    print_actions(cx, "  +", differs.draft, differs.draftError)
  end
  local totals = answer.totals
  cx.print(("%d events, %d actions, %d errors%s"):format(totals.events, totals.actions,
    totals.errors, answer.difference and (", %d different"):format(totals.different) or ""))
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
  local active = releases.running(ctx).active
  if active ~= json.null and active.release == json.null then -- has no place in the list
    print_release(cx, active)
  end
  for _, release in ipairs(list) do
    print_release(cx, release)
  end
end

function commands.runs(ctx, cx)
  local status, problems = cx.options.status, nil
  if status then
    status, problems = runs_view.STATUS:validate(status)
  end
  if problems then
    error("--status " .. problems[1].message, 0)
  end
  local list = runs_view.list(ctx, { limit = whole(cx.options.last, "--last") or LISTED,
    status = status })
  if cx.json then
    return cx.print_json(list)
  end
  for _, run in ipairs(list) do
    cx.print(("%s  %-8s %s  release %s, %g ms"):format(run.startedAt, run.status, run.hook,
      run.release == json.null and "dev" or run.release, run.cpuMs or 0))
    for _, line in ipairs(run.log) do
      cx.print("    " .. line)
    end
    if run.error ~= json.null then
      print_failure(cx, run.file, 0, run.error)
    end
  end
end

function commands.rollback(ctx, cx)
  local number = whole(cx.args[2] or cx.options.release, "the release")
  if not number then
    error("rollback needs the number of a release", 0)
  end
  print_release(cx, releases.rollback(ctx, { release = number, force = cx.options.force }))
end

local function tenant_of(cx)
  local slug, words = cx.options.tenant, cx.args[1]
  if words == "names" or not slug and cx.options.folder and WITHOUT_TENANT[words] then
    return NOBODY
  end
  local system = context.system({ name = "command" })
  return slug and identity.find_tenant_by_slug(system, slug)
    or error(slug and "there is no tenant '" .. slug .. "'" or "needs --tenant", 0)
end

local function sorted_keys(set)
  local list = json.array({})
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

function commands.names(_, cx)
  local names = { actions = actions.names(), events = sorted_keys(registry.emits),
    capabilities = sorted_keys(registry.capabilities) }
  if cx.json then
    return cx.print_json(names)
  end
  for _, kind in ipairs({ "actions", "events", "capabilities" }) do
    cx.print(kind)
    for _, name in ipairs(names[kind]) do
      cx.print("  " .. name)
    end
  end
end

function M.run(cx)
  local command = commands[cx.args[1] or ""] or error("fixxit scripts " .. M.usage, 0)
  plugin.load(system_routes) -- what events and capabilities there are
  local ctx = context.system({ name = "command", tenant = tenant_of(cx) })
  local zygote = NEEDS_PROCESS[cx.args[1]] and companions.start("scripts")
  local ok, result = pcall(command, ctx, cx)
  companions.stop(zygote)
  if not ok then
    error(result, 0)
  end
  return result
end

return { scripts = M }
