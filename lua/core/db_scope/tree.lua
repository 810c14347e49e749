-- Looking at a statement's tree (core.db_scope.tokens). An item list is walked by position; each
-- function tells what stands at one. `cx` is the statement being proved, see core.db_scope.

local M = {}

function M.set(...)
  local words = {}
  for _, word in ipairs({ ... }) do
    words[word] = true
  end
  return words
end

function M.refuse(cx, format, ...)
  error(("db: %s: %s"):format(format:format(...), cx.sql), 0)
end

function M.word_at(items, i)
  local item = items[i]
  return item and item.kind == "word" and item.text or nil
end

function M.op_at(items, i)
  local item = items[i]
  return item and item.kind == "op" and item.text or nil
end

function M.is_name(item)
  return item ~= nil and (item.kind == "word" or item.kind == "ident")
end

function M.group_at(items, i)
  local item = items[i]
  return item and item.kind == "group" and item.items or nil
end

function M.is_query(items)
  local first = M.word_at(items, 1)
  if first then
    return first == "select" or first == "with"
  end
  local inner = M.group_at(items, 1)
  return inner ~= nil and M.is_query(inner)
end

-- Splits items[from..to] at its commas: an array of {first, last}.
function M.split_commas(items, from, to)
  local parts, start = {}, from
  for i = from, to + 1 do
    if i > to or M.op_at(items, i) == "," then
      parts[#parts + 1] = { start, i - 1 }
      start = i + 1
    end
  end
  return parts
end

function M.is_tenant_column(item)
  return M.is_name(item) and item.text:lower() == "tenant_id"
end

return M
