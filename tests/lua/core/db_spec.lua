local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local migrate = require("core.migrate")
local task = require("core.task")

local A = { id = "0192f1a4-7c3e-7000-8000-00000000000a" }
local B = { id = "0192f1a4-7c3e-7000-8000-00000000000b" }

local function ctx_of(tenant)
  return context.system({ tenant = tenant, name = "spec" })
end

local function names(ctx)
  local list = {}
  for _, row in ipairs(db.scope(ctx):query(
    "SELECT name FROM spec_things WHERE tenant_id = :tenant ORDER BY name")) do
    list[#list + 1] = row.name
  end
  return table.concat(list, " ")
end

local function add(ctx, name)
  db.scope(ctx):exec("INSERT INTO spec_things (tenant_id, name) VALUES (:tenant, ?)", name)
end

describe("the database", function()
  setup(function()
    db.execute_script([[CREATE TABLE IF NOT EXISTS spec_things (
      tenant_id UUID NOT NULL, name VARCHAR(50) NOT NULL, note VARCHAR(50),
      PRIMARY KEY (tenant_id, name)) ENGINE=InnoDB]])
  end)

  teardown(function()
    db.execute_script("DROP TABLE spec_things")
  end)

  before_each(function()
    db.execute_script("DELETE FROM spec_things")
  end)

  it("learns of a table that a migration made", function()
    assert.equal("", names(ctx_of(A)))
  end)

  it("shows each tenant its own rows", function()
    add(ctx_of(A), "mine")
    add(ctx_of(B), "theirs")
    assert.equal("mine", names(ctx_of(A)))
    assert.equal("theirs", names(ctx_of(B)))
  end)

  it("refuses a statement that is not bound", function()
    local ok, err = pcall(function()
      db.scope(ctx_of(A)):query("SELECT name FROM spec_things")
    end)
    assert.is_false(ok)
    assert.matches("is not bound by spec_things.tenant_id = :tenant", tostring(err), 1, true)
  end)

  it("refuses a table that is not there", function()
    assert.has_error(function()
      db.scope(ctx_of(A)):query("SELECT 1 FROM spec_nothing WHERE tenant_id = :tenant")
    end, "db: there is no table 'spec_nothing'")
  end)

  it("needs a tenant for :tenant", function()
    local ok, err = pcall(names, ctx_of(nil))
    assert.is_false(ok)
    assert.is_true(errors.is(err, "TENANT_REQUIRED"))
  end)

  it("counts parameters", function()
    assert.has_error(function()
      db.scope(ctx_of(A)):query(
        "SELECT name FROM spec_things WHERE tenant_id = :tenant AND name = ?")
    end)
  end)

  it("takes nil for NULL, at the end too", function()
    db.scope(ctx_of(A)):exec(
      "INSERT INTO spec_things (tenant_id, name, note) VALUES (:tenant, ?, ?)", "x", nil)
    assert.is_nil(db.scope(ctx_of(A)):one(
      "SELECT note FROM spec_things WHERE tenant_id = :tenant").note)
  end)

  it("names the key of a duplicate", function()
    add(ctx_of(A), "x")
    local ok, err = pcall(add, ctx_of(A), "x")
    assert.is_false(ok)
    assert.is_true(errors.is(err, "CONFLICT"))
    assert.equal("PRIMARY", err.key)
  end)

  describe("in a transaction", function()
    it("keeps what returned and passes its value on", function()
      local value = db.transaction(ctx_of(A), function(ctx)
        add(ctx, "kept")
        return 42
      end)
      assert.equal(42, value)
      assert.equal("kept", names(ctx_of(A)))
    end)

    it("drops what raised, and raises it", function()
      local ok, err = pcall(db.transaction, ctx_of(A), function(ctx)
        add(ctx, "dropped")
        errors.raise("CONFLICT", "no")
      end)
      assert.is_false(ok)
      assert.is_true(errors.is(err, "CONFLICT"))
      assert.equal("", names(ctx_of(A)))
    end)

    it("sees its own changes before others do", function()
      db.transaction(ctx_of(A), function(ctx)
        add(ctx, "new")
        assert.equal("new", names(ctx))
        assert.equal("", names(ctx_of(A)))
      end)
    end)

    it("joins one that is under way", function()
      pcall(db.transaction, ctx_of(A), function(ctx)
        db.transaction(ctx, function(inner)
          add(inner, "inner")
        end)
        error("outer", 0)
      end)
      assert.equal("", names(ctx_of(A)))
    end)

    it("runs what waits for the commit after it, and only then", function()
      local order = {}
      db.transaction(ctx_of(A), function(ctx)
        db.after_commit(ctx, function()
          order[#order + 1] = "after"
        end)
        order[#order + 1] = "inside"
      end)
      assert.same({ "inside", "after" }, order)
      pcall(db.transaction, ctx_of(A), function(ctx)
        db.after_commit(ctx, function()
          order[#order + 1] = "never"
        end)
        error("no", 0)
      end)
      assert.same({ "inside", "after" }, order)
    end)

    describe("with statements queued", function()
      local function queue(ctx, name, note)
        db.scope(ctx):queue(
          "INSERT INTO spec_things (tenant_id, name, note) VALUES (:tenant, ?, ?)", name, note)
      end

      it("keeps them all, NULL at the end too", function()
        assert.equal("passed on", db.transaction(ctx_of(A), function(tx)
          queue(tx, "one")
          queue(tx, "two", "; END")
          return "passed on"
        end))
        assert.equal("one two", names(ctx_of(A)))
        local row = db.scope(ctx_of(A)):one(
          "SELECT note FROM spec_things WHERE tenant_id = :tenant AND name = ?", "two")
        assert.equal("; END", row.note)
      end)

      it("sends them before the next statement", function()
        db.transaction(ctx_of(A), function(tx)
          queue(tx, "one")
          queue(tx, "two")
          assert.equal("one two", names(tx))
          queue(tx, "three")
          assert.equal("", names(ctx_of(A)))
        end)
        assert.equal("one three two", names(ctx_of(A)))
      end)

      it("keeps none when one fails, and leaves no transaction open", function()
        add(ctx_of(A), "taken")
        for _ = 1, 20 do
          local ok, err = pcall(db.transaction, ctx_of(A), function(tx)
            queue(tx, "lost")
            queue(tx, "taken")
          end)
          assert.is_false(ok)
          assert.equal("CONFLICT", err.code)
          assert.equal("PRIMARY", err.key)
          assert.equal("taken", names(ctx_of(A)))
        end
        add(ctx_of(A), "afterwards") -- commits on its own, on the connection used before
        assert.equal("afterwards taken", names(ctx_of(A)))
      end)

      it("keeps none when the body raises", function()
        assert.is_false(pcall(db.transaction, ctx_of(A), function(tx)
          queue(tx, "one")
          error("no")
        end))
        assert.equal("", names(ctx_of(A)))
      end)

      it("undoes a part of a unit alone, and has the failure in it", function()
        local ctx = ctx_of(A)
        db.open_unit(ctx)
        db.transaction(ctx, function(tx)
          queue(tx, "kept")
        end)
        for _, name in ipairs({ "kept", "raised" }) do
          assert.is_false(pcall(db.transaction, ctx, function(tx)
            queue(tx, "dropped")
            queue(tx, name)
            if name == "raised" then
              error("no")
            end
          end))
        end
        db.close_unit(ctx, function(last)
          queue(last, "last")
          return true
        end)
        assert.equal("kept last", names(ctx_of(A)))
      end)

      it("keeps nothing when one has failed, whoever catches that", function()
        add(ctx_of(A), "taken")
        for _, before in ipairs({ false, true }) do -- the first of the transaction, or not
          local caught
          local ok, err = pcall(db.transaction, ctx_of(A), function(tx)
            if before then
              add(tx, "before")
            end
            queue(tx, "lost")
            queue(tx, "taken")
            caught = not pcall(names, tx)
            pcall(add, tx, "after")
          end)
          assert.same({ true, false, "CONFLICT" }, { caught, ok, err.code })
          assert.equal("taken", names(ctx_of(A)))
        end
      end)

      it("is sent at once without a transaction", function()
        queue(ctx_of(A), "one")
        assert.equal("one", names(ctx_of(A)))
      end)
    end)

    it("starts again after a deadlock", function()
      add(ctx_of(A), "one")
      add(ctx_of(A), "two")
      local tries, ended = 0, 0
      local signal = task.signal()
      local function touch(ctx, name)
        db.scope(ctx):exec("UPDATE spec_things SET note = CONCAT(IFNULL(note, ''), '.') "
          .. "WHERE tenant_id = :tenant AND name = ?", name)
      end
      local function both(first, second)
        task.spawn(function()
          db.transaction(ctx_of(A), function(ctx)
            tries = tries + 1
            touch(ctx, first)
            task.sleep(50)
            touch(ctx, second)
          end)
          ended = ended + 1
          signal:notify()
        end)
      end
      both("one", "two")
      both("two", "one")
      while ended < 2 do
        assert(signal:wait(10000))
      end
      assert.equal(3, tries)
      assert.equal("..", db.scope(ctx_of(A)):one(
        "SELECT note FROM spec_things WHERE tenant_id = :tenant AND name = 'one'").note)
    end)
  end)
end)

describe("migrations", function()
  it("are all applied to a database that is up to date", function()
    for _, migration in ipairs(migrate.status()) do
      assert.equal("applied", migration.state, migration.name)
    end
    assert.equal(0, migrate.pending())
    assert.same({}, migrate.up())
  end)

  it("can be taken back and applied again", function()
    local list = migrate.list()
    local last = list[#list]
    assert.same(last.name, migrate.down(1)[1].name)
    assert.equal(1, migrate.pending())
    assert.equal(last.name, migrate.up({ dry_run = true })[1].name)
    assert.equal(1, migrate.pending())
    assert.equal(last.name, migrate.up()[1].name)
    assert.equal(0, migrate.pending())
  end)

  it("refuse a file that changed after it was applied", function()
    local ctx = context.system({})
    local sql = "UPDATE schema_migrations SET checksum = ? WHERE scope = 'platform' AND version = 1"
    local before = db.platform(ctx):one(
      "SELECT checksum FROM schema_migrations WHERE scope = 'platform' AND version = 1").checksum
    db.platform(ctx):exec(sql, ("0"):rep(64))
    local ok, err = pcall(migrate.up)
    db.platform(ctx):exec(sql, before)
    assert.is_false(ok)
    assert.matches("was changed after it was applied", tostring(err), 1, true)
  end)

  it("can each be applied twice and taken back twice", function()
    local list = migrate.list()
    for i = #list, 1, -1 do
      db.execute_script(list[i].down)
      db.execute_script(list[i].down)
    end
    for _, migration in ipairs(list) do
      db.execute_script(migration.up)
      db.execute_script(migration.up)
    end
  end)
end)
