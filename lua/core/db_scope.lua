-- Proves that a statement stays within one tenant, by reading its SQL. Pure: text and the list of
-- tables in, a plan out; nothing here talks to a database.
--
-- The rule: every reference to a tenant-owned table (one that has a column tenant_id) is bound by
--     <alias or table>.tenant_id = :tenant
-- in its own query block, as a condition that every row must meet: joined by AND at the top of
-- WHERE or of a join's ON. The qualifier may be left out when the block has a single table. The
-- ON of a LEFT JOIN binds only the tables that it joins. INSERT lists tenant_id and gives :tenant.
--
-- What cannot be read is refused, never passed: schema names, RIGHT and NATURAL joins, user
-- variables, executable comments, REPLACE, several statements.
--
-- Steps: text -> tokens -> a tree of groups (parentheses, CASE ... END), in which the words of a
-- query block stand on one level -> blocks with their tables and conditions.

local db_tokens = require("core.db_tokens")

local M = {}

local function set(...)
  local words = {}
  for _, word in ipairs({ ... }) do
    words[word] = true
  end
  return words
end

-- Reserved words of MariaDB, so that none of them can be a column here without quotes.
local SET_OPERATORS = set("union", "except", "intersect")
local AFTER_CONDITION = set("where", "group", "having", "order", "limit", "for", "lock", "union",
  "except", "intersect", "returning", "into", "procedure", "on")
local JOIN_WORDS = set("join", "inner", "cross", "left", "right", "natural", "straight_join")
local NOT_AN_ALIAS = set("join", "inner", "cross", "left", "right", "natural", "straight_join",
  "on", "using", "set", "use", "force", "ignore", "partition", "as", "select", "values", "from",
  "and", "or", "not", "window", "where", "group", "having", "order", "limit", "for", "lock",
  "union", "except", "intersect", "returning", "into", "procedure", "fetch")
local INDEX_HINTS = set("use", "force", "ignore")
local DISALLOWED_JOINS = set("right", "natural")

local function refuse(cx, format, ...)
  error(("db: %s: %s"):format(format:format(...), cx.sql), 0)
end

local function word_at(items, i)
  local item = items[i]
  return item and item.kind == "word" and item.text or nil
end

local function op_at(items, i)
  local item = items[i]
  return item and item.kind == "op" and item.text or nil
end

local function is_name(item)
  return item ~= nil and (item.kind == "word" or item.kind == "ident")
end

local function group_at(items, i)
  local item = items[i]
  return item and item.kind == "group" and item.items or nil
end

local function is_query(items)
  local first = word_at(items, 1)
  if first then
    return first == "select" or first == "with"
  end
  local inner = group_at(items, 1)
  return inner ~= nil and is_query(inner)
end

local query -- a query expression; defined below its parts

-- Analyses the subqueries anywhere in items[from..to].
local function subqueries(cx, items, from, to, env)
  for i = from, to do
    local item = items[i]
    if item.items then
      if item.kind == "group" and is_query(item.items) then
        query(cx, item.items, 1, env)
      else
        subqueries(cx, item.items, 1, #item.items, env)
      end
    elseif item.kind == "word" and item.text == "into" then
      refuse(cx, "SELECT ... INTO is not for stores")
    end
  end
end

-- Splits items[from..to] at its commas: an array of {first, last}.
local function split_commas(items, from, to)
  local parts, start = {}, from
  for i = from, to + 1 do
    if i > to or op_at(items, i) == "," then
      parts[#parts + 1] = { start, i - 1 }
      start = i + 1
    end
  end
  return parts
end

local function is_tenant_column(item)
  return is_name(item) and item.text:lower() == "tenant_id"
end

-- Calls bind(qualifier or nil) for each binding that items[from..to] as a whole implies.
local function bindings(items, from, to, bind)
  local function conjunct(first, last)
    local count = last - first + 1
    local inner = count == 1 and group_at(items, first)
    if inner and not is_query(inner) then
      bindings(inner, 1, #inner, bind)
      return
    end
    local has_tenant = count >= 3 and items[last].kind == "tenant" and op_at(items, last - 1) == "="
      and is_tenant_column(items[last - 2])
    if has_tenant and count == 3 then
      bind(nil)
    elseif has_tenant and count == 5 and op_at(items, first + 1) == "." then
      bind(items[first].raw)
    end
  end
  for i = from, to do
    local word = word_at(items, i)
    if word == "or" or word == "xor" or op_at(items, i) == "||" then
      return
    end
  end
  local start, betweens = from, 0
  for i = from, to + 1 do
    local word = i <= to and word_at(items, i)
    if word == "between" then
      betweens = betweens + 1
    elseif word == "and" and betweens > 0 then
      betweens = betweens - 1
    elseif i > to or word == "and" then
      conjunct(start, i - 1)
      start = i + 1
    end
  end
end

-- A block: the tables of one SELECT, UPDATE or DELETE and the conditions on them.
local function new_block()
  return { refs = {}, conditions = {} }
end

local function add_condition(block, items, from, to, refs)
  block.conditions[#block.conditions + 1] = { items = items, from = from, to = to, refs = refs }
end

local function check_bound(cx, block)
  for _, condition in ipairs(block.conditions) do
    bindings(condition.items, condition.from, condition.to, function(qualifier)
      for _, ref in ipairs(condition.refs) do
        if qualifier == ref.name or qualifier == nil and #block.refs == 1 then
          ref.bound = true
        end
      end
    end)
  end
  for _, ref in ipairs(block.refs) do
    if ref.owned and not ref.bound then
      refuse(cx, "table '%s' is not bound by %s.tenant_id = :tenant", ref.table, ref.name)
    end
  end
end

local function find_table(cx, name, env)
  if env[name] then
    return { owned = false }
  end
  local known = cx.tables[name:lower()]
  if not known then
    error({ unknown_table = name }, 0)
  end
  return known
end

local function read_alias(items, i)
  if word_at(items, i) == "as" and is_name(items[i + 1]) then
    return items[i + 1].raw, i + 2
  end
  local item = items[i]
  if is_name(item) and not (item.kind == "word" and NOT_AN_ALIAS[item.text]) then
    return item.raw, i + 1
  end
  return nil, i
end

local function skip_index_hints(items, i)
  while INDEX_HINTS[word_at(items, i) or ""] do
    while items[i] and not group_at(items, i) do
      i = i + 1
    end
    i = i + 1
  end
  return i
end

local table_references

local function add_ref(block, refs, ref)
  block.refs[#block.refs + 1] = ref
  refs[#refs + 1] = ref
end

local function read_group_factor(cx, block, refs, items, i, env)
  local inner = group_at(items, i)
  if is_query(inner) then
    query(cx, inner, 1, env)
    local alias, after = read_alias(items, i + 1)
    if not alias then
      refuse(cx, "a derived table needs an alias")
    end
    add_ref(block, refs, { name = alias, table = alias, owned = false })
    return after
  end
  local last, introduced = table_references(cx, block, inner, 1, env)
  if last <= #inner then
    refuse(cx, "cannot read the tables in parentheses")
  end
  for _, ref in ipairs(introduced) do
    refs[#refs + 1] = ref
  end
  return i + 1
end

-- One operand of a join. Appends what it introduces to `refs`; returns the next position.
local function table_factor(cx, block, refs, items, i, env)
  if group_at(items, i) then
    return read_group_factor(cx, block, refs, items, i, env)
  end
  local item = items[i]
  if not is_name(item) or item.kind == "word" and NOT_AN_ALIAS[item.text] then
    refuse(cx, "expected a table")
  end
  if op_at(items, i + 1) == "." then
    refuse(cx, "a schema name before a table")
  end
  local ref
  if item.text == "json_table" and group_at(items, i + 1) then
    subqueries(cx, items, i + 1, i + 1, env)
    i = i + 1
    ref = { name = "", table = "json_table", owned = false }
  else
    local known = find_table(cx, item.raw, env)
    ref = { name = item.raw, table = item.raw, owned = known.owned }
  end
  local alias, after = read_alias(items, i + 1)
  ref.name = alias or ref.name
  add_ref(block, refs, ref)
  return skip_index_hints(items, after)
end

-- Where a condition that starts at `i` ends.
local function condition_end(cx, items, i, stops_at_joins)
  while items[i] do
    local word = word_at(items, i)
    if word == "on" and word_at(items, i + 1) ~= "duplicate" then
      refuse(cx, "cannot read a second ON")
    elseif word and (AFTER_CONDITION[word] or word == "set" or word == "window") then
      return i
    elseif stops_at_joins and (op_at(items, i) == ","
      or word and JOIN_WORDS[word] and not group_at(items, i + 1)) then
      return i
    end
    i = i + 1
  end
  return i
end

local function read_on(cx, block, items, i, env, refs)
  if word_at(items, i) == "using" and group_at(items, i + 1) then
    return i + 2
  elseif word_at(items, i) ~= "on" then
    return i
  end
  local last = condition_end(cx, items, i + 1, true)
  subqueries(cx, items, i + 1, last - 1, env)
  add_condition(block, items, i + 1, last - 1, refs)
  return last
end

local function read_join_words(cx, items, i)
  local word = word_at(items, i)
  if word and DISALLOWED_JOINS[word] then
    refuse(cx, "write the %s JOIN as another join", word:upper())
  end
  local is_left = word == "left"
  if word == "inner" or word == "cross" or is_left then
    i = i + 1
    if is_left and word_at(items, i) == "outer" then
      i = i + 1
    end
    if word_at(items, i) ~= "join" then
      refuse(cx, "expected JOIN")
    end
  end
  return i + 1, is_left
end

-- Reads "a JOIN b ON ..., c". Returns the next position and the tables introduced.
function table_references(cx, block, items, i, env)
  local refs = {}
  i = table_factor(cx, block, refs, items, i, env)
  while items[i] do
    local word = word_at(items, i)
    if op_at(items, i) == "," then
      i = table_factor(cx, block, refs, items, i + 1, env)
    elseif word and JOIN_WORDS[word] then
      local is_left
      i, is_left = read_join_words(cx, items, i)
      local joined = {}
      i = table_factor(cx, block, joined, items, i, env)
      for _, ref in ipairs(joined) do
        refs[#refs + 1] = ref
      end
      if is_left and word_at(items, i) ~= "on" and word_at(items, i) ~= "using" then
        refuse(cx, "expected ON after LEFT JOIN")
      end
      i = read_on(cx, block, items, i, env, is_left and joined or { unpack(refs) })
    else
      break
    end
  end
  return i, refs
end

local function read_where(cx, block, items, i, env)
  if word_at(items, i) ~= "where" then
    return i
  end
  local last = condition_end(cx, items, i + 1, false)
  subqueries(cx, items, i + 1, last - 1, env)
  add_condition(block, items, i + 1, last - 1, block.refs)
  return last
end

-- GROUP BY ... FOR UPDATE: nothing here binds a table.
local function read_tail(cx, items, i, env)
  local start = i
  while items[i] do
    local word = word_at(items, i)
    if word and (SET_OPERATORS[word] or word == "on" or word == "returning") then
      break
    elseif word == "where" or word == "from" or word == "window" or word == "set" then
      refuse(cx, "unexpected %s", word:upper())
    end
    i = i + 1
  end
  if i > start and not AFTER_CONDITION[word_at(items, start) or ""] then
    refuse(cx, "cannot read what follows the tables")
  end
  subqueries(cx, items, start, i - 1, env)
  return i
end

local function read_select_list(cx, items, i, env)
  local start = i
  while items[i] do
    local word = word_at(items, i)
    if word == "from" or word and AFTER_CONDITION[word] then
      break
    end
    i = i + 1
  end
  subqueries(cx, items, start, i - 1, env)
  return i
end

-- INSERT ... SELECT: the expression for tenant_id must be :tenant itself.
local function check_select_list(cx, items, from, to, insert)
  if word_at(items, from) == "distinct" or word_at(items, from) == "all" then
    from = from + 1
  end
  local parts = split_commas(items, from, to)
  for _, part in ipairs(parts) do
    if op_at(items, part[2]) == "*" then
      refuse(cx, "name the columns of an INSERT ... SELECT")
    end
  end
  local part = parts[insert.position]
  local first = part and items[part[1]]
  local plain = part and (part[1] == part[2]
    or word_at(items, part[1] + 1) == "as" and part[2] == part[1] + 2)
  if #parts ~= insert.columns or not plain or first.kind ~= "tenant" then
    refuse(cx, "INSERT into '%s' must select :tenant for tenant_id", insert.table)
  end
end

local function select_block(cx, items, i, env, insert)
  local start = i + 1
  i = read_select_list(cx, items, start, env)
  if insert then
    check_select_list(cx, items, start, i - 1, insert)
  end
  if word_at(items, i) == "into" then
    refuse(cx, "SELECT ... INTO is not for stores")
  end
  local block = new_block()
  if word_at(items, i) == "from" then
    i = table_references(cx, block, items, i + 1, env)
  end
  i = read_where(cx, block, items, i, env)
  i = read_tail(cx, items, i, env)
  check_bound(cx, block)
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
      refuse(cx, "cannot read WITH")
    end
    inner[name] = recursive or inner[name]
    query(cx, body, 1, inner)
    inner[name] = true
    i = i + 2
    local more = op_at(items, i) == ","
    i = more and i + 1 or i
  until not more
  return i, inner
end

-- [WITH ...] SELECT ... [UNION SELECT ...]. `nested` ones must end with their group.
function query(cx, items, i, env, insert)
  if word_at(items, i) == "with" then
    i, env = read_ctes(cx, items, i + 1, env)
  end
  while true do
    local inner = group_at(items, i)
    if inner and is_query(inner) then
      query(cx, inner, 1, env, insert)
      i = read_tail(cx, items, i + 1, env)
    elseif word_at(items, i) == "select" then
      i = select_block(cx, items, i, env, insert)
    else
      refuse(cx, "expected SELECT")
    end
    if not SET_OPERATORS[word_at(items, i) or ""] then
      break
    end
    i = i + 1
    if word_at(items, i) == "all" or word_at(items, i) == "distinct" then
      i = i + 1
    end
  end
  if items[i] and items ~= cx.top then
    refuse(cx, "cannot read the end of a subquery")
  end
  return i
end

-- The columns that items[from..to] assigns ("a = 1, t.b = 2"): array of {column, first, last},
-- where first..last is the value.
local function assignments(cx, items, from, to)
  local list = {}
  for _, part in ipairs(split_commas(items, from, to)) do
    local i = part[1]
    if op_at(items, i + 1) == "." then
      i = i + 2
    end
    if not is_name(items[i]) or op_at(items, i + 1) ~= "=" then
      refuse(cx, "cannot read an assignment")
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
      refuse(cx, "ON DUPLICATE KEY UPDATE on '%s', which has a unique key without tenant_id", name)
    end
  end
end

local function read_upsert(cx, items, i, env, name, known)
  if word_at(items, i) ~= "on" then
    return i
  end
  if word_at(items, i + 1) ~= "duplicate" or word_at(items, i + 2) ~= "key"
    or word_at(items, i + 3) ~= "update" then
    refuse(cx, "expected ON DUPLICATE KEY UPDATE")
  end
  local start = i + 4
  i = start
  while items[i] and word_at(items, i) ~= "returning" do
    i = i + 1
  end
  subqueries(cx, items, start, i - 1, env)
  if known.owned then
    check_upsert_keys(cx, name, known)
    for _, assignment in ipairs(assignments(cx, items, start, i - 1)) do
      if assignment.column == "tenant_id" then
        refuse(cx, "tenant_id never changes")
      end
    end
  end
  return i
end

local function read_returning(cx, items, i, env)
  if word_at(items, i) == "returning" then
    subqueries(cx, items, i + 1, #items, env)
    return #items + 1
  end
  return i
end

local function tenant_position(cx, columns, name)
  for position, part in ipairs(split_commas(columns, 1, #columns)) do
    if part[1] == part[2] and is_tenant_column(columns[part[1]]) then
      return position
    end
  end
  return refuse(cx, "INSERT into '%s' must list tenant_id", name)
end

local function read_rows(cx, items, i, env, insert)
  repeat
    local row = group_at(items, i)
    if not row then
      refuse(cx, "cannot read VALUES")
    end
    subqueries(cx, items, i, i, env)
    if insert then
      local part = split_commas(row, 1, #row)[insert.position]
      if not part or part[1] ~= part[2] or row[part[1]].kind ~= "tenant" then
        refuse(cx, "INSERT into '%s' must give :tenant for tenant_id", insert.table)
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
  subqueries(cx, items, start, i - 1, env)
  local given = not known.owned
  for _, assignment in ipairs(assignments(cx, items, start, i - 1)) do
    if assignment.column == "tenant_id" then
      given = assignment.first == assignment.last and items[assignment.first].kind == "tenant"
    end
  end
  if not given then
    refuse(cx, "INSERT into '%s' must give :tenant for tenant_id", name)
  end
  return i
end

local INSERT_WORDS = set("low_priority", "high_priority", "delayed", "ignore", "into")

local function insert_statement(cx, items, env)
  local i = 2
  while INSERT_WORDS[word_at(items, i) or ""] do
    i = i + 1
  end
  if not is_name(items[i]) or op_at(items, i + 1) == "." then
    refuse(cx, "cannot read the table of INSERT")
  end
  local name = items[i].raw
  local known = find_table(cx, name, env)
  i = i + 1
  if word_at(items, i) == "set" then
    i = read_insert_set(cx, items, i + 1, env, name, known)
  else
    local columns = group_at(items, i)
    if columns and is_query(columns) then
      columns = nil
    end
    local insert
    if known.owned then
      insert = { table = name, position = tenant_position(cx, columns or {}, name),
        columns = #split_commas(columns, 1, #columns) }
    end
    i = columns and i + 1 or i
    if word_at(items, i) == "values" or word_at(items, i) == "value" then
      i = read_rows(cx, items, i + 1, env, insert)
    else
      i = query(cx, items, i, env, insert)
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
  local block = new_block()
  i = table_references(cx, block, items, i, env)
  if word_at(items, i) ~= "set" then
    refuse(cx, "expected SET")
  end
  local start = i + 1
  i = start
  while items[i] and not AFTER_CONDITION[word_at(items, i) or ""] do
    i = i + 1
  end
  subqueries(cx, items, start, i - 1, env)
  for _, assignment in ipairs(assignments(cx, items, start, i - 1)) do
    if assignment.column == "tenant_id" then
      refuse(cx, "tenant_id never changes")
    end
  end
  i = read_where(cx, block, items, i, env)
  i = read_tail(cx, items, i, env)
  check_bound(cx, block)
  return i
end

local function delete_statement(cx, items, env)
  local i = 2
  while items[i] and word_at(items, i) ~= "from" do
    i = i + 1
  end
  local block = new_block()
  i = table_references(cx, block, items, i + 1, env)
  i = read_where(cx, block, items, i, env)
  i = read_tail(cx, items, i, env)
  check_bound(cx, block)
  return read_returning(cx, items, i, env)
end

local STATEMENTS = {
  insert = insert_statement,
  update = update_statement,
  delete = delete_statement,
}

local function check(cx, tree)
  cx.top = tree
  local env = {}
  local statement = STATEMENTS[word_at(tree, 1) or ""]
  local last
  if statement then
    last = statement(cx, tree, env)
  elseif is_query(tree) then
    last = query(cx, tree, 1, env)
  else
    refuse(cx, "only SELECT, INSERT, UPDATE and DELETE are bound to a tenant")
  end
  if tree[last] then
    refuse(cx, "cannot read the end of the statement")
  end
end

--- What compile needs to know of the database.
-- @param names rows {name, tenant_column}, one per table; tenant_column nil when it has none
-- @param keys rows {name, key_name, column_name}, one per column of a unique key
function M.learn(names, keys)
  local tables = { dual = { owned = false } }
  for _, row in ipairs(names) do
    tables[row.name:lower()] = { owned = row.tenant_column ~= nil, keys = {} }
  end
  for _, row in ipairs(keys or {}) do
    local known = tables[row.name:lower()]
    if known then
      known.keys[row.key_name] = known.keys[row.key_name] or {}
      known.keys[row.key_name][row.column_name:lower()] = true
    end
  end
  return tables
end

--- Reads a statement and proves that it is bound to the tenant; raises when it is not.
-- @param tables what learn returned; nil: only :tenant is replaced, nothing is proved
-- @return plan {sql = with "?" for :tenant, sources = per "?" the number of the caller's
--   parameter, 0 for the tenant (nil when :tenant is not used), given = number of the caller's};
--   or nil and the name of a table that is not in `tables`
function M.compile(sql, tables)
  local cx = { sql = sql, tables = tables }
  local tokens, plan = db_tokens.read(sql, tables ~= nil)
  if not tables then
    return plan
  end
  local ok, err = pcall(function()
    check(cx, db_tokens.tree(sql, tokens))
  end)
  if ok then
    return plan
  elseif type(err) == "table" and err.unknown_table then
    return nil, err.unknown_table
  end
  error(err, 0)
end

return M
