-- The queued statements of a transaction as one compound statement, for core.db.
--
-- The text of few is kept, by what they are one after the other: a transaction does the same again
-- and again, and the host knows a text by its place.

local M = {}

jit.off(true, true) -- as core.db, which alone calls it

--- What stands first in the one that begins a transaction, and last in the one that ends it.
M.START, M.COMMIT = "START TRANSACTION;\n", "; COMMIT"

local TEXTS_MAX, FEW = 200, 12
local texts, text_count = {}, 0

local function put_together(sql, first, last)
  return "BEGIN NOT ATOMIC " .. first .. table.concat(sql, ";\n") .. last .. "; END"
end

local function under(node, key)
  local deeper = node[key] or {}
  node[key] = deeper
  return deeper
end

local function text_of(sql, first, last)
  if #sql > FEW then
    return put_together(sql, first, last)
  end
  local node = under(texts, first .. last)
  for i = 1, #sql do
    node = under(node, sql[i])
  end
  if not node.text then
    if text_count == TEXTS_MAX then
      texts, text_count = {}, 0
    end
    node.text, text_count = put_together(sql, first, last), text_count + 1
  end
  return node.text
end

--- The statements of a queue as one.
-- @param queue {sql = {...}, params, count}
-- @param first, last M.START and M.COMMIT, or ""
-- @return sql, its parameters
function M.of(queue, first, last)
  local sql = queue.sql
  local text = #sql == 1 and first .. last == "" and sql[1] or text_of(sql, first, last)
  return text, unpack(queue.params, 1, queue.count)
end

return M
