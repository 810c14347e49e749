-- The database for services and plugins: transactions, and statements bound to the tenant.
--
-- ctx.tx is the transaction under way: {handle, queue, failed, after_commit}. The body of a
-- transaction must only touch the database, since it runs again after a deadlock. It has a
-- connection (handle) from the first statement that is sent; those that are queued go in one
-- compound statement, which begins the transaction when they are its first, and ends it when they
-- are its last.
--
-- ctx.unit makes several transactions one: {tx, closed}, shared by all contexts derived from the
-- one it was opened on. The first transaction that succeeds stays open in it, later ones become
-- parts of it with a savepoint each, statements outside of transactions see it, and close_unit
-- commits all.

local new_table = require("table.new")
local compound = require("core.db_compound")
local db_scope = require("core.db_scope")
local errors = require("core.errors")
local host = require("host.db")
local task = require("core.task")

local M = {}

jit.off(true, true) -- its ways are long and ever others: see host/lua_vm.c

local ATTEMPTS = 3
local RETRY_PAUSE_MS = 10
local PLANS_MAX = 4000
local LEARN_MS = 5000
local START, COMMIT = compound.START, compound.COMMIT
local PARAMS = 80 -- that the queue of a transaction has room for

-- Learned from information_schema on first use; nil until then.
local tables
local learning -- a signal that the learning under way has ended, while there is one
local plans, plan_count = {}, 0

local LEARN_TABLES = [[
SELECT TABLE_NAME AS name, MAX(IF(COLUMN_NAME = 'tenant_id', COLUMN_NAME, NULL)) AS tenant_column
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() GROUP BY TABLE_NAME]]

local LEARN_KEYS = [[
SELECT TABLE_NAME AS name, INDEX_NAME AS key_name, COLUMN_NAME AS column_name
FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0]]

local function roll_back(tx)
  tx.queue = nil
  if tx.handle then
    tx.handle:rollback()
  end
end

-- Sends what is queued; begins the transaction where it has no connection. When that fails,
-- nothing that follows may succeed, whoever catches the error.
-- @return whether it went well; if not, tx.failed is why
local function flush(tx)
  local queue = tx.queue
  tx.queue = nil
  if tx.failed then
    return false
  elseif queue and tx.handle then
    tx.failed = select(2, tx.handle:query(compound.of(queue, "", "")))
  elseif queue then
    tx.handle, tx.failed = host.begin(compound.of(queue, START, ""))
  elseif not tx.handle then
    tx.handle, tx.failed = host.begin()
  end
  return not tx.failed
end

-- The connection of a transaction, with all sent that is queued.
local function handle_of(tx)
  return flush(tx) and tx.handle or errors.check(nil, tx.failed)
end

-- @return true, or nil, err
local function commit(tx)
  local queue = tx.queue
  tx.queue = nil
  if tx.failed then
    roll_back(tx)
    return nil, tx.failed
  end
  if queue and tx.handle then
    return tx.handle:commit(compound.of(queue, "", COMMIT))
  elseif queue then
    return host.transact(compound.of(queue, START, COMMIT))
  elseif tx.handle then
    return tx.handle:commit()
  end
  return true
end

-- In the place of a unit's transaction that the database has rolled back: nothing that follows
-- may succeed on its own.
local LOST = { handle = {} }
function LOST.handle.query()
  return nil, { code = "DEADLOCK", message = "the transaction of this unit was rolled back" }
end
LOST.handle.query_shaped = LOST.handle.query
LOST.handle.commit = LOST.handle.query
LOST.handle.rollback = LOST.handle.query

local function open_unit_of(ctx)
  local unit = ctx.unit
  return unit and not unit.closed and unit or nil
end

local function transaction_of(ctx)
  local tx = ctx.tx
  if tx or not ctx.unit then
    return tx
  end
  local unit = open_unit_of(ctx)
  return unit and unit.tx
end

-- A host call's results, or its failure raised.
local function check(first, second, third, fourth)
  if first == nil then
    errors.check(nil, second)
  end
  return first, second, third, fourth
end

local function send(ctx, sql, ...)
  local tx = transaction_of(ctx)
  if tx then
    return check(handle_of(tx):query(sql, ...))
  end
  return check(host.query(sql, ...))
end

local function send_shaped(ctx, shape, max, sql, ...)
  local tx = transaction_of(ctx)
  if tx then
    return check(handle_of(tx):query_shaped(shape, max, sql, ...))
  end
  return check(host.query_shaped(shape, max, sql, ...))
end

local function read_tables(ctx)
  local names, keys = send(ctx, LEARN_TABLES), send(ctx, LEARN_KEYS)
  tables = db_scope.learn(names, keys)
  plans, plan_count = {}, 0
end

-- Reading it takes the server a while: one reads, the others wait. On the connection that the
-- context has, if any: while all are taken by transactions that want to learn, none becomes free.
local function learn(ctx)
  if learning then
    learning:wait(LEARN_MS)
    if not learning then
      return
    end
  end
  local signal = task.signal()
  learning = signal
  local ok, err = pcall(read_tables, ctx)
  learning = nil
  signal:notify()
  if not ok then
    error(err, 0)
  end
end

-- Compiles a statement; a table that is not known yet (a migration ran) is looked for once more.
local function plan_of(ctx, sql, checked)
  if not checked then
    return (db_scope.compile(sql, nil))
  end
  while not tables do
    learn(ctx) -- raises when it cannot; who waited for another's attempt makes one of its own
  end
  local plan, unknown = db_scope.compile(sql, tables)
  if unknown then
    learn(ctx)
    plan, unknown = db_scope.compile(sql, assert(tables))
    if unknown then
      error("db: there is no table '" .. unknown .. "'", 0)
    end
  end
  return plan
end

local function cached_plan(ctx, sql, checked)
  local key = checked and sql or "\0" .. sql
  local plan = plans[key]
  if not plan then
    plan = plan_of(ctx, sql, checked)
    if plan_count >= PLANS_MAX then
      plans, plan_count = {}, 0
    end
    plans[key], plan_count = plan, plan_count + 1
  end
  return plan
end

local NAMES_MAX, SLOTS_MAX = 190, 230 -- LuaJIT's functions have no more than 200 and 250

-- fn(tenant, ...) -> the parameters of a plan in its order. Made once for each plan: putting tables
-- together was most of what a statement with many parameters cost in Lua.
local function arrangement(plan)
  local sources = plan.sources
  if plan.given > NAMES_MAX or plan.given + #sources > SLOTS_MAX then
    return function(tenant, ...)
      local given, values = { ... }, {}
      for i = 1, #sources do
        values[i] = sources[i] == 0 and tenant or given[sources[i]]
      end
      return unpack(values, 1, #sources)
    end
  end
  local names, places = { [0] = "tenant" }, {}
  for i = 1, plan.given do
    names[i] = "p" .. i
  end
  for i, source in ipairs(sources) do
    places[i] = names[source]
  end
  return loadstring(("local %s = ... return %s"):format(
    table.concat(names, ", ", 0), table.concat(places, ", ")))
end

-- The parameters of a plan in its order, with the tenant's id where the statement says :tenant.
local function bound(ctx, plan, ...)
  local sources = plan.sources
  if not sources then
    return ...
  end
  local given_count = select("#", ...)
  if given_count ~= plan.given then
    error(("db: %d parameters for %d question marks: %s")
      :format(given_count, plan.given, plan.sql), 0)
  end
  local tenant = ctx:require_tenant().id
  plan.arrange = plan.arrange or arrangement(plan)
  return plan.arrange(tenant, ...)
end

local function append(queue, sql, ...)
  local params, count = queue.params, queue.count
  local given, more = { ... }, select("#", ...)
  for i = 1, more do
    params[count + i] = given[i]
  end
  queue.count = count + more
  queue.sql[#queue.sql + 1] = sql
end
jit.on(append) -- a short loop over many parameters

local Scope = {}
Scope.__index = Scope

--- All rows.
function Scope:query(sql, ...)
  local plan = cached_plan(self.ctx, sql, self.checked)
  return send(self.ctx, plan.sql, bound(self.ctx, plan, ...))
end

--- The first row, or nil.
function Scope:one(sql, ...)
  return self:query(sql, ...)[1]
end

--- Rows as JSON in a shape (M.shape), for what is shown as it is stored.
-- @param max how many rows to write at most
-- @return the objects of those rows with commas between them, the number of all rows, the kept
--   columns of the last row that was written (nil without one), the lines with commas between them
function Scope:shaped(shape, max, sql, ...)
  local plan = cached_plan(self.ctx, sql, self.checked)
  return send_shaped(self.ctx, shape, max, plan.sql, bound(self.ctx, plan, ...))
end

--- For statements that change something: {affected=, insert_id=} (and RETURNING's rows).
Scope.exec = Scope.query

--- For changes of which only their success matters: they go with the next statement of the
-- transaction, at the latest with its commit, which may then fail in their place. Without a
-- transaction the same as exec.
function Scope:queue(sql, ...)
  local ctx = self.ctx
  local tx = transaction_of(ctx)
  if not tx then
    return self:exec(sql, ...)
  end
  local plan = cached_plan(ctx, sql, self.checked)
  tx.queue = tx.queue or { sql = {}, params = new_table(PARAMS, 0), count = 0 }
  append(tx.queue, plan.sql, bound(ctx, plan, ...))
end

--- Statements of the context's tenant: `:tenant` stands for its id, and every tenant-owned table
-- must be bound by it (see core.db_scope).
function M.scope(ctx)
  return setmetatable({ ctx = ctx, checked = true }, Scope)
end

--- Statements without the check, for the few things that belong to no tenant.
function M.platform(ctx)
  return setmetatable({ ctx = ctx, checked = false }, Scope)
end

local function attempt(ctx, unit, fn)
  local tx = {}
  local ok, a, b, c = xpcall(fn, errors.capture, ctx:with({ tx = tx }))
  if ok and unit then
    local begun, err = xpcall(handle_of, errors.capture, tx)
    if not begun then
      ok, a = false, err
    end
  end
  if not ok then
    roll_back(tx)
    return false, a
  end
  if unit then
    unit.tx = tx
    return true, tx, a, b, c
  end
  local done, err = commit(tx)
  if done then
    return true, tx, a, b, c
  end
  return false, errors.from_host(err)
end

-- A further transaction of a unit: undone alone when it raises.
local function run_part(ctx, unit, fn)
  local tx = unit.tx
  local waiting = tx.after_commit and #tx.after_commit or 0
  errors.check(tx.handle:query("SAVEPOINT part"))
  local ok, a, b, c = xpcall(fn, errors.capture, ctx:with({ tx = tx }))
  if ok then
    if flush(tx) then
      return a, b, c
    end
    a = errors.from_host(tx.failed)
  end
  tx.queue, tx.failed = nil, nil
  if a.host_code == "DEADLOCK" or not tx.handle:query("ROLLBACK TO SAVEPOINT part") then
    tx.handle:rollback()
    unit.tx = LOST
  end
  for i = tx.after_commit and #tx.after_commit or 0, waiting + 1, -1 do
    tx.after_commit[i] = nil
  end
  error(a, 0)
end

local function run_after_commit(tx)
  for _, fn in ipairs(tx.after_commit or {}) do
    fn()
  end
end

--- Runs fn(ctx) in a transaction, joining one that is under way. Commits when it returns (up to
-- three values are passed on), rolls back when it raises, starts again after a deadlock.
function M.transaction(ctx, fn)
  if ctx.tx then
    return fn(ctx)
  end
  local unit = open_unit_of(ctx)
  if unit and unit.tx then
    return run_part(ctx, unit, fn)
  end
  for try = 1, ATTEMPTS do
    local ok, tx, a, b, c = attempt(ctx, unit, fn)
    if ok then
      if not unit then
        run_after_commit(tx)
      end
      return a, b, c
    end
    local err = tx
    if err.host_code ~= "DEADLOCK" or try == ATTEMPTS then
      error(err, 0)
    end
    task.sleep(RETRY_PAUSE_MS * try * (0.5 + math.random()))
  end
end

--- What the connection of the transaction takes for now, in milliseconds, until it is told
-- otherwise: for seeds that make a past. Nil: what the clock says; said before the transaction
-- ends.
function M.pretend(ctx, ms)
  assert(ctx.tx, "db.pretend needs a transaction")
  if ms then
    send(ctx, "SET timestamp = ?", ms / 1000)
  else
    send(ctx, "SET timestamp = DEFAULT")
  end
end

--- Runs fn() once the outermost transaction is committed; at once when there is none. For
-- wake-ups only: what must happen goes into the outbox.
function M.after_commit(ctx, fn)
  local tx = transaction_of(ctx)
  if not tx then
    return fn()
  end
  tx.after_commit = tx.after_commit or {}
  table.insert(tx.after_commit, fn)
end

--- From here on the context's transactions are one, committed by M.close_unit.
function M.open_unit(ctx)
  ctx.unit = {}
end

--- Runs fn(ctx) as the last part of the unit, then commits; when fn returns false, or raises,
-- nothing of the unit has happened. Without a transaction in the unit fn's statements stand alone.
-- @return what fn returned
function M.close_unit(ctx, fn)
  local unit = ctx.unit
  local tx = unit.tx
  local ok, result = xpcall(fn, errors.capture, tx and ctx:with({ tx = tx }) or ctx)
  unit.closed = true
  if tx and ok and result then
    errors.check(commit(tx))
    run_after_commit(tx)
  elseif tx then
    roll_back(tx)
  end
  if not ok then
    error(result, 0)
  end
  return result
end

--- Ends the unit; nothing of it has happened. Does nothing when it is closed.
function M.abandon_unit(ctx)
  local unit = open_unit_of(ctx)
  if unit then
    unit.closed = true
    if unit.tx then
      roll_back(unit.tx)
    end
  end
end

--- One statement as text, for migrations.
function M.execute_script(sql)
  errors.check(host.execute_script(sql))
end

--- Forgets what is known of the tables, after migrations.
function M.forget_tables()
  tables = nil
  plans, plan_count = {}, 0
end

--- How rows become JSON objects: shape({{key, column, json =, is_null =, before =, after =
-- } or {key, {fields}}..., keep = {columns}}), see host.db.
M.shape = host.shape

--- Asks the database whether it is there.
-- @return its version, or nil, err
function M.ping()
  local rows, err = host.query("SELECT VERSION() AS version")
  if not rows then
    return nil, err
  end
  return rows[1].version
end

--- {open, idle, waiting} of this process's pool.
M.stats = host.stats

--- What stands for NULL among parameters.
M.null = host.null

return M
