-- Reads the tables of a block: "a JOIN b ON ..., c", derived tables, aliases.

local block_of = require("core.db_scope.block")
local clauses = require("core.db_scope.clauses")
local tree = require("core.db_scope.tree")

local set, word_at, op_at, group_at = tree.set, tree.word_at, tree.op_at, tree.group_at
local is_name = tree.is_name

local M = {}

local NOT_AN_ALIAS = set("join", "inner", "cross", "left", "right", "natural", "straight_join",
  "on", "using", "set", "use", "force", "ignore", "partition", "as", "select", "values", "from",
  "and", "or", "not", "window", "where", "group", "having", "order", "limit", "for", "lock",
  "union", "except", "intersect", "returning", "into", "procedure", "fetch")
local INDEX_HINTS = set("use", "force", "ignore")
local DISALLOWED_JOINS = set("right", "natural")

--- The table of that name: {owned = whether it has a tenant_id, keys}. Names of `env` are WITH's.
function M.find(cx, name, env)
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

local function add_ref(block, refs, ref)
  block.refs[#block.refs + 1] = ref
  refs[#refs + 1] = ref
end

local function read_group_factor(cx, block, refs, items, i, env)
  local inner = group_at(items, i)
  if tree.is_query(inner) then
    cx.query(cx, inner, 1, env)
    local alias, after = read_alias(items, i + 1)
    if not alias then
      tree.refuse(cx, "a derived table needs an alias")
    end
    add_ref(block, refs, { name = alias, table = alias, owned = false })
    return after
  end
  local last, introduced = M.references(cx, block, inner, 1, env)
  if last <= #inner then
    tree.refuse(cx, "cannot read the tables in parentheses")
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
    tree.refuse(cx, "expected a table")
  end
  if op_at(items, i + 1) == "." then
    tree.refuse(cx, "a schema name before a table")
  end
  local ref
  if item.text == "json_table" and group_at(items, i + 1) then
    clauses.subqueries(cx, items, i + 1, i + 1, env)
    i = i + 1
    ref = { name = "", table = "json_table", owned = false }
  else
    local known = M.find(cx, item.raw, env)
    ref = { name = item.raw, table = item.raw, owned = known.owned }
  end
  local alias, after = read_alias(items, i + 1)
  ref.name = alias or ref.name
  add_ref(block, refs, ref)
  return skip_index_hints(items, after)
end

local function read_on(cx, block, items, i, env, refs)
  if word_at(items, i) == "using" and group_at(items, i + 1) then
    return i + 2
  elseif word_at(items, i) ~= "on" then
    return i
  end
  local last = clauses.condition_end(cx, items, i + 1, true)
  clauses.subqueries(cx, items, i + 1, last - 1, env)
  block_of.add_condition(block, items, i + 1, last - 1, refs)
  return last
end

local function read_join_words(cx, items, i)
  local word = word_at(items, i)
  if word and DISALLOWED_JOINS[word] then
    tree.refuse(cx, "write the %s JOIN as another join", word:upper())
  end
  local is_left = word == "left"
  if word == "inner" or word == "cross" or is_left then
    i = i + 1
    if is_left and word_at(items, i) == "outer" then
      i = i + 1
    end
    if word_at(items, i) ~= "join" then
      tree.refuse(cx, "expected JOIN")
    end
  end
  return i + 1, is_left
end

-- Reads "a JOIN b ON ..., c". Returns the next position and the tables introduced.
function M.references(cx, block, items, i, env)
  local refs = {}
  i = table_factor(cx, block, refs, items, i, env)
  while items[i] do
    local word = word_at(items, i)
    if op_at(items, i) == "," then
      i = table_factor(cx, block, refs, items, i + 1, env)
    elseif word and clauses.JOIN_WORDS[word] then
      local is_left
      i, is_left = read_join_words(cx, items, i)
      local joined = {}
      i = table_factor(cx, block, joined, items, i, env)
      for _, ref in ipairs(joined) do
        refs[#refs + 1] = ref
      end
      if is_left and word_at(items, i) ~= "on" and word_at(items, i) ~= "using" then
        tree.refuse(cx, "expected ON after LEFT JOIN")
      end
      i = read_on(cx, block, items, i, env, is_left and joined or { unpack(refs) })
    else
      break
    end
  end
  return i, refs
end

return M
