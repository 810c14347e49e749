--- Drafts and releases as the API shows them.

local json = require("core.json")

local M = {}

local function person(id, name)
  return id and { id = id, name = name or "" } or json.null
end

--- A file of the draft.
function M.file(row)
  return { path = row.path, content = row.content, updatedAt = row.updated_at,
    updatedBy = person(row.updated_by, row.name) }
end

--- The same without its text.
function M.listed(row)
  return { path = row.path, size = row.size, updatedAt = row.updated_at,
    updatedBy = person(row.updated_by, row.name) }
end

local function state_of(row, standing)
  if row.id == standing.release_id then
    return "active"
  elseif row.id == standing.canary_id then
    return "canary"
  end
  return row.withdrawn and "withdrawn" or "retired"
end

--- A release; it is "active", the "canary", "withdrawn" or "retired".
function M.release(row, standing)
  local state = state_of(row, standing)
  return {
    release = row.number or json.null,
    message = row.message,
    author = person(row.author_id, row.name),
    createdAt = row.created_at,
    state = state,
    canary = state == "canary" and standing.canary_percent or json.null,
    withdrawn = row.withdrawn or json.null,
  }
end

--- What files declare, in short.
function M.hooks(declared)
  local list = json.array({})
  for i, hook in ipairs(declared) do
    list[i] = { kind = hook.kind, name = hook.name, file = hook.file, line = hook.line }
  end
  return list
end

--- A release with its files, {path, size}, and what they declare.
function M.release_detail(row, standing, files, declared)
  local detail = M.release(row, standing)
  detail.files, detail.hooks = json.array({}), M.hooks(declared)
  for i, file in ipairs(files) do
    detail.files[i] = { path = file.path, size = file.size }
  end
  return detail
end

--- What is switched off.
function M.disabled(row)
  return { path = row.path, handler = row.handler ~= "" and row.handler or json.null,
    reason = row.reason, disabledAt = row.disabled_at,
    disabledBy = person(row.disabled_by, row.name) }
end

--- A secret, without what it says.
function M.secret(row)
  return { name = row.name, updatedAt = row.updated_at,
    updatedBy = person(row.updated_by, row.name_of) }
end

return M
