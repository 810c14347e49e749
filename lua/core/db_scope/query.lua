-- Reads a query expression: [WITH ...] SELECT ... [UNION SELECT ...].

local block_of = require("core.db_scope.block")
local clauses = require("core.db_scope.clauses")
local tables = require("core.db_scope.tables")
local tree = require("core.db_scope.tree")

local word_at, op_at, group_at, is_name = tree.word_at, tree.op_at, tree.group_at, tree.is_name

local M = {}

local function read_select_list(cx, items, i, env)
  local start = i
  while items[i] do
    local word = word_at(items, i)
    if word == "from" or word and clauses.AFTER_CONDITION[word] then
      break
    end
    i = i + 1
  end
  clauses.subqueries(cx, items, start, i - 1, env)
  return i
end

-- INSERT ... SELECT: the expression for tenant_id must be :tenant itself.
local function check_select_list(cx, items, from, to, insert)
  if word_at(items, from) == "distinct" or word_at(items, from) == "all" then
    from = from + 1
  end
  local parts = tree.split_commas(items, from, to)
  for _, part in ipairs(parts) do
    if op_at(items, part[2]) == "*" then
      tree.refuse(cx, "name the columns of an INSERT ... SELECT")
    end
  end
  local part = parts[insert.position]
  local first = part and items[part[1]]
  local plain = part and (part[1] == part[2]
    or word_at(items, part[1] + 1) == "as" and part[2] == part[1] + 2)
  if #parts ~= insert.columns or not plain or first.kind ~= "tenant" then
    tree.refuse(cx, "INSERT into '%s' must select :tenant for tenant_id", insert.table)
  end
end

local function select_block(cx, items, i, env, insert)
  local start = i + 1
  i = read_select_list(cx, items, start, env)
  if insert then
    check_select_list(cx, items, start, i - 1, insert)
  end
  if word_at(items, i) == "into" then
    tree.refuse(cx, "SELECT ... INTO is not for stores")
  end
  local block = block_of.new()
  if word_at(items, i) == "from" then
    i = tables.references(cx, block, items, i + 1, env)
  end
  i = clauses.read_where(cx, block, items, i, env)
  i = clauses.read_tail(cx, items, i, env)
  block_of.check(cx, block)
  return i
end

local function read_ctes(cx, items, i, env)
  local inner = setmetatable({}, { __index = env })
  local recursive = word_at(items, i) == "recursive"
  i = recursive and i + 1 or i
  repeat
    local name = is_name(items[i]) and items[i].raw
    i = i + 1
    if group_at(items, i) and word_at(items, i + 1) == "as" then
      i = i + 1
    end
    local body = group_at(items, i + 1)
    if not name or word_at(items, i) ~= "as" or not body then
      tree.refuse(cx, "cannot read WITH")
    end
    inner[name] = recursive or inner[name]
    M.read(cx, body, 1, inner)
    inner[name] = true
    i = i + 2
    local more = op_at(items, i) == ","
    i = more and i + 1 or i
  until not more
  return i, inner
end

--- Proves a query expression that begins at `i`; one in parentheses must end with them.
-- @param env the names that WITH has introduced around it
-- @param insert {table, position, columns} when its rows are inserted: see check_select_list
-- @return the position behind it
function M.read(cx, items, i, env, insert)
  if word_at(items, i) == "with" then
    i, env = read_ctes(cx, items, i + 1, env)
  end
  while true do
    local inner = group_at(items, i)
    if inner and tree.is_query(inner) then
      M.read(cx, inner, 1, env, insert)
      i = clauses.read_tail(cx, items, i + 1, env)
    elseif word_at(items, i) == "select" then
      i = select_block(cx, items, i, env, insert)
    else
      tree.refuse(cx, "expected SELECT")
    end
    if not clauses.SET_OPERATORS[word_at(items, i) or ""] then
      break
    end
    i = i + 1
    if word_at(items, i) == "all" or word_at(items, i) == "distinct" then
      i = i + 1
    end
  end
  if items[i] and items ~= cx.top then
    tree.refuse(cx, "cannot read the end of a subquery")
  end
  return i
end

return M
