-- A block: the tables of one SELECT, UPDATE or DELETE and the conditions on them; and the proof
-- that the conditions bind every table that is owned by a tenant.

local tree = require("core.db_scope.tree")

local word_at, op_at, group_at = tree.word_at, tree.op_at, tree.group_at

local M = {}

-- Calls bind(qualifier or nil) for each binding that items[from..to] as a whole implies.
local function bindings(items, from, to, bind)
  local function conjunct(first, last)
    local count = last - first + 1
    local inner = count == 1 and group_at(items, first)
    if inner and not tree.is_query(inner) then
      bindings(inner, 1, #inner, bind)
      return
    end
    local has_tenant = count >= 3 and items[last].kind == "tenant" and op_at(items, last - 1) == "="
      and tree.is_tenant_column(items[last - 2])
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

function M.new()
  return { refs = {}, conditions = {} }
end

function M.add_condition(block, items, from, to, refs)
  block.conditions[#block.conditions + 1] = { items = items, from = from, to = to, refs = refs }
end

function M.check(cx, block)
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
      tree.refuse(cx, "table '%s' is not bound by %s.tenant_id = :tenant", ref.table, ref.name)
    end
  end
end

return M
