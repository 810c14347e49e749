--- A tenant's draft: the files of the next release, changed one by one.

local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local reply = require("core.reply")
local audit = require("services.audit")
local paths = require("services.scripts.paths")
local store = require("services.scripts.store")
local view = require("services.scripts.view")

local M = {}

local function fail(field, code, message)
  errors.validation({ { field = field, code = code, message = message } })
end

local function check_path(path)
  local problem = paths.problem(path)
  if problem then
    fail("path", "format", problem)
  end
end

local function not_found()
  errors.raise("NOT_FOUND", "There is no such file in the draft")
end

local function check_content(content)
  if #content > paths.FILE_MAX then
    fail("content", "length", ("must have at most %d bytes"):format(paths.FILE_MAX))
  elseif content:find("%z") then
    fail("content", "format", "must be text")
  end
end

--- What the audit trail keeps of a file; its text is in the draft and the releases.
local function told(path, content)
  return content and { path = path, size = #content,
    sha256 = crypto.hex(crypto.hash("sha256", content)) }
end

--- The tag of the whole draft.
function M.tag(version)
  return etag.of_text("draft", version)
end

--- A file for the API, and its tag; 404 when there is none.
function M.get(ctx, path)
  check_path(path)
  local row = store.find_draft(ctx, path) or not_found()
  local shown = view.file(row)
  return shown, etag.of_shown(shown)
end

--- The draft as it is: {version, files = {{path, content}, ...}}.
function M.read(ctx)
  local standing = store.find_standing(ctx)
  return { version = standing and standing.draft_version or 0, files = store.read_draft(ctx) }
end

-- Compares If-Match with the file as it is, locked.
local function verify(ctx, row)
  reply.require_match(ctx, row and etag.of_shown(view.file(row)))
end

local function check_sum(ctx, path, content)
  local others = store.sum_others(ctx, path)
  if others.files >= paths.FILES_MAX then
    fail("path", "length", ("there are %d files already"):format(paths.FILES_MAX))
  elseif others.bytes + #content > paths.RELEASE_MAX then
    fail("content", "length", ("all files together must have at most %d bytes")
      :format(paths.RELEASE_MAX))
  end
end

--- Writes a file. @return as get(), and whether it is new
function M.put(ctx, path, content)
  check_path(path)
  check_content(content)
  local is_new = db.transaction(ctx, function(tx_ctx)
    store.lock_standing(tx_ctx)
    local before = store.find_draft(tx_ctx, path)
    verify(tx_ctx, before)
    check_sum(tx_ctx, path, content)
    store.put_draft(tx_ctx, path, content)
    store.touch_draft(tx_ctx)
    audit.write(tx_ctx, { action = "script.draft.put", resource_type = "script",
      resource_id = path, old = before and told(path, before.content),
      new = told(path, content) })
    return before == nil
  end)
  local shown, tag = M.get(ctx, path)
  return shown, tag, is_new
end

--- Removes a file from the draft.
function M.delete(ctx, path)
  check_path(path)
  db.transaction(ctx, function(tx_ctx)
    store.lock_standing(tx_ctx)
    local before = store.find_draft(tx_ctx, path) or not_found()
    verify(tx_ctx, before)
    store.delete_draft(tx_ctx, path)
    store.touch_draft(tx_ctx)
    audit.write(tx_ctx, { action = "script.draft.delete", resource_type = "script",
      resource_id = path, old = told(path, before.content) })
  end)
end

-- Checks files that come together; raises naming the first that is wrong.
local function check_files(files)
  local bytes = 0
  if #files > paths.FILES_MAX then
    fail("files", "length", ("must be at most %d"):format(paths.FILES_MAX))
  end
  for _, file in ipairs(files) do
    local problem = paths.problem(file.path)
    if problem then
      fail(file.path, "format", "the path " .. problem)
    elseif #file.content > paths.FILE_MAX then
      fail(file.path, "length", ("must have at most %d bytes"):format(paths.FILE_MAX))
    end
    bytes = bytes + #file.content
  end
  if bytes > paths.RELEASE_MAX then
    fail("files", "length", ("all files together must have at most %d bytes")
      :format(paths.RELEASE_MAX))
  end
end

--- Makes these files the draft, {{path, content}, ...}. @return what changed: {added, changed,
-- removed} = arrays of paths
function M.replace(ctx, files)
  check_files(files)
  return db.transaction(ctx, function(tx_ctx)
    store.lock_standing(tx_ctx)
    local before, done = {}, { added = {}, changed = {}, removed = {} }
    for _, file in ipairs(store.read_draft(tx_ctx)) do
      before[file.path] = file.content
    end
    for _, file in ipairs(files) do
      local old = before[file.path]
      before[file.path] = nil
      if old ~= file.content then
        store.put_draft(tx_ctx, file.path, file.content)
        table.insert(old and done.changed or done.added, file.path)
      end
    end
    for path in pairs(before) do
      store.delete_draft(tx_ctx, path)
      table.insert(done.removed, path)
    end
    table.sort(done.removed)
    if #done.added + #done.changed + #done.removed > 0 then
      store.touch_draft(tx_ctx)
      audit.write(tx_ctx, { action = "script.draft.replace", resource_type = "script",
        new = { added = json.array(done.added), changed = json.array(done.changed),
          removed = json.array(done.removed) } })
    end
    return done
  end)
end

return M
