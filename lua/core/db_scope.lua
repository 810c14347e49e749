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
-- query block stand on one level (tokens, tree) -> blocks with their tables (tables, clauses,
-- query, changes) -> the proof that their conditions bind them (block).

local changes = require("core.db_scope.changes")
local query = require("core.db_scope.query")
local tokens = require("core.db_scope.tokens")
local tree = require("core.db_scope.tree")

local M = {}

jit.off(true, true) -- its ways are long and ever others: see host/lua_vm.c

local function check(cx, items)
  cx.top = items
  local env = {}
  local statement = changes[tree.word_at(items, 1) or ""]
  local last
  if statement then
    last = statement(cx, items, env)
  elseif tree.is_query(items) then
    last = query.read(cx, items, 1, env)
  else
    tree.refuse(cx, "only SELECT, INSERT, UPDATE and DELETE are bound to a tenant")
  end
  if items[last] then
    tree.refuse(cx, "cannot read the end of the statement")
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
  local list, plan = tokens.read(sql, tables ~= nil)
  if not tables then
    return plan
  end
  -- The statement being proved. `query` is here because tables and conditions hold subqueries;
  -- `top` is the outermost list of items.
  local cx = { sql = sql, tables = tables, query = query.read, top = nil }
  local ok, err = pcall(function()
    check(cx, tokens.tree(sql, list))
  end)
  if ok then
    return plan
  elseif type(err) == "table" and err.unknown_table then
    return nil, err.unknown_table
  end
  error(err, 0)
end

return M
