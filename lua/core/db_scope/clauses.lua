-- What follows the tables of a block, and the subqueries anywhere in it.

local block_of = require("core.db_scope.block")
local tree = require("core.db_scope.tree")

local set, word_at, op_at, group_at = tree.set, tree.word_at, tree.op_at, tree.group_at

local M = {}

-- Reserved words of MariaDB, so that none of them can be a column here without quotes.
M.SET_OPERATORS = set("union", "except", "intersect")
M.AFTER_CONDITION = set("where", "group", "having", "order", "limit", "for", "lock", "union",
  "except", "intersect", "returning", "into", "procedure", "on")
M.JOIN_WORDS = set("join", "inner", "cross", "left", "right", "natural", "straight_join")

-- Analyses the subqueries anywhere in items[from..to].
function M.subqueries(cx, items, from, to, env)
  for i = from, to do
    local item = items[i]
    if item.items then
      if item.kind == "group" and tree.is_query(item.items) then
        cx.query(cx, item.items, 1, env)
      else
        M.subqueries(cx, item.items, 1, #item.items, env)
      end
    elseif item.kind == "word" and item.text == "into" then
      tree.refuse(cx, "SELECT ... INTO is not for stores")
    end
  end
end

-- Where a condition that starts at `i` ends.
function M.condition_end(cx, items, i, stops_at_joins)
  while items[i] do
    local word = word_at(items, i)
    if word == "on" and word_at(items, i + 1) ~= "duplicate" then
      tree.refuse(cx, "cannot read a second ON")
    elseif word and (M.AFTER_CONDITION[word] or word == "set" or word == "window") then
      return i
    elseif stops_at_joins and (op_at(items, i) == ","
      or word and M.JOIN_WORDS[word] and not group_at(items, i + 1)) then
      return i
    end
    i = i + 1
  end
  return i
end

function M.read_where(cx, block, items, i, env)
  if word_at(items, i) ~= "where" then
    return i
  end
  local last = M.condition_end(cx, items, i + 1, false)
  M.subqueries(cx, items, i + 1, last - 1, env)
  block_of.add_condition(block, items, i + 1, last - 1, block.refs)
  return last
end

-- GROUP BY ... FOR UPDATE: nothing here binds a table.
function M.read_tail(cx, items, i, env)
  local start = i
  while items[i] do
    local word = word_at(items, i)
    if word and (M.SET_OPERATORS[word] or word == "on" or word == "returning") then
      break
    elseif word == "where" or word == "from" or word == "window" or word == "set" then
      tree.refuse(cx, "unexpected %s", word:upper())
    end
    i = i + 1
  end
  if i > start and not M.AFTER_CONDITION[word_at(items, start) or ""] then
    tree.refuse(cx, "cannot read what follows the tables")
  end
  M.subqueries(cx, items, start, i - 1, env)
  return i
end

return M
