-- Reads INSERT, UPDATE and DELETE: which rows they change, and that none changes its tenant.

local block_of = require("core.db_scope.block")
local clauses = require("core.db_scope.clauses")
local tables = require("core.db_scope.tables")
local tree = require("core.db_scope.tree")

local word_at, op_at, group_at, is_name = tree.word_at, tree.op_at, tree.group_at, tree.is_name

-- The columns that items[from..to] assigns ("a = 1, t.b = 2"): array of {column, first, last},
-- where first..last is the value.
local function assignments(cx, items, from, to)
  local list = {}
  for _, part in ipairs(tree.split_commas(items, from, to)) do
    local i = part[1]
    if op_at(items, i + 1) == "." then
      i = i + 2
    end
    if not is_name(items[i]) or op_at(items, i + 1) ~= "=" then
      tree.refuse(cx, "cannot read an assignment")
    end
    list[#list + 1] = { column = items[i].text:lower(), first = i + 2, last = part[2] }
  end
  return list
end

-- A key that another tenant's row could hold makes an upsert change that row. Ids are made by
-- us and never taken from a client for a new row, so a key on `id` alone is no danger.
local function check_upsert_keys(cx, name, known)
  for _, columns in pairs(known.keys or {}) do
    local only_id = columns.id and next(columns) == "id" and next(columns, "id") == nil
    if not columns.tenant_id and not only_id then
      tree.refuse(cx, "ON DUPLICATE KEY UPDATE on '%s', which has a unique key without tenant_id",
        name)
    end
  end
end

local function read_upsert(cx, items, i, env, name, known)
  if word_at(items, i) ~= "on" then
    return i
  end
  if word_at(items, i + 1) ~= "duplicate" or word_at(items, i + 2) ~= "key"
    or word_at(items, i + 3) ~= "update" then
    tree.refuse(cx, "expected ON DUPLICATE KEY UPDATE")
  end
  local start = i + 4
  i = start
  while items[i] and word_at(items, i) ~= "returning" do
    i = i + 1
  end
  clauses.subqueries(cx, items, start, i - 1, env)
  if known.owned then
    check_upsert_keys(cx, name, known)
    for _, assignment in ipairs(assignments(cx, items, start, i - 1)) do
      if assignment.column == "tenant_id" then
        tree.refuse(cx, "tenant_id never changes")
      end
    end
  end
  return i
end

local function read_returning(cx, items, i, env)
  if word_at(items, i) == "returning" then
    clauses.subqueries(cx, items, i + 1, #items, env)
    return #items + 1
  end
  return i
end

local function tenant_position(cx, columns, name)
  for position, part in ipairs(tree.split_commas(columns, 1, #columns)) do
    if part[1] == part[2] and tree.is_tenant_column(columns[part[1]]) then
      return position
    end
  end
  return tree.refuse(cx, "INSERT into '%s' must list tenant_id", name)
end

local function read_rows(cx, items, i, env, insert)
  repeat
    local row = group_at(items, i)
    if not row then
      tree.refuse(cx, "cannot read VALUES")
    end
    clauses.subqueries(cx, items, i, i, env)
    if insert then
      local part = tree.split_commas(row, 1, #row)[insert.position]
      if not part or part[1] ~= part[2] or row[part[1]].kind ~= "tenant" then
        tree.refuse(cx, "INSERT into '%s' must give :tenant for tenant_id", insert.table)
      end
    end
    i = i + 1
    local more = op_at(items, i) == ","
    i = more and i + 1 or i
  until not more
  return i
end

local function read_insert_set(cx, items, i, env, name, known)
  local start = i
  while items[i] and word_at(items, i) ~= "on" and word_at(items, i) ~= "returning" do
    i = i + 1
  end
  clauses.subqueries(cx, items, start, i - 1, env)
  local given = not known.owned
  for _, assignment in ipairs(assignments(cx, items, start, i - 1)) do
    if assignment.column == "tenant_id" then
      given = assignment.first == assignment.last and items[assignment.first].kind == "tenant"
    end
  end
  if not given then
    tree.refuse(cx, "INSERT into '%s' must give :tenant for tenant_id", name)
  end
  return i
end

local INSERT_WORDS = tree.set("low_priority", "high_priority", "delayed", "ignore", "into")

local function insert_statement(cx, items, env)
  local i = 2
  while INSERT_WORDS[word_at(items, i) or ""] do
    i = i + 1
  end
  if not is_name(items[i]) or op_at(items, i + 1) == "." then
    tree.refuse(cx, "cannot read the table of INSERT")
  end
  local name = items[i].raw
  local known = tables.find(cx, name, env)
  i = i + 1
  if word_at(items, i) == "set" then
    i = read_insert_set(cx, items, i + 1, env, name, known)
  else
    local columns = group_at(items, i)
    if columns and tree.is_query(columns) then
      columns = nil
    end
    local insert
    if known.owned then
      insert = { table = name, position = tenant_position(cx, columns or {}, name),
        columns = #tree.split_commas(columns, 1, #columns) }
    end
    i = columns and i + 1 or i
    if word_at(items, i) == "values" or word_at(items, i) == "value" then
      i = read_rows(cx, items, i + 1, env, insert)
    else
      i = cx.query(cx, items, i, env, insert)
    end
  end
  i = read_upsert(cx, items, i, env, name, known)
  return read_returning(cx, items, i, env)
end

local function update_statement(cx, items, env)
  local i = 2
  while word_at(items, i) == "low_priority" or word_at(items, i) == "ignore" do
    i = i + 1
  end
  local block = block_of.new()
  i = tables.references(cx, block, items, i, env)
  if word_at(items, i) ~= "set" then
    tree.refuse(cx, "expected SET")
  end
  local start = i + 1
  i = start
  while items[i] and not clauses.AFTER_CONDITION[word_at(items, i) or ""] do
    i = i + 1
  end
  clauses.subqueries(cx, items, start, i - 1, env)
  for _, assignment in ipairs(assignments(cx, items, start, i - 1)) do
    if assignment.column == "tenant_id" then
      tree.refuse(cx, "tenant_id never changes")
    end
  end
  i = clauses.read_where(cx, block, items, i, env)
  i = clauses.read_tail(cx, items, i, env)
  block_of.check(cx, block)
  return i
end

local function delete_statement(cx, items, env)
  local i = 2
  while items[i] and word_at(items, i) ~= "from" do
    i = i + 1
  end
  local block = block_of.new()
  i = tables.references(cx, block, items, i + 1, env)
  i = clauses.read_where(cx, block, items, i, env)
  i = clauses.read_tail(cx, items, i, env)
  block_of.check(cx, block)
  return read_returning(cx, items, i, env)
end

--- By their first word: function(cx, items, env) -> the position behind what was read.
return {
  insert = insert_statement,
  update = update_statement,
  delete = delete_statement,
}
