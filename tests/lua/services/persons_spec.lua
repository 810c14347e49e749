-- Keys of persons: made once, asked for seldom, gone at once.
local context = require("core.context")
local db = require("core.db")
local task = require("core.task")
local uuid = require("core.uuid")
local persons = require("services.persons")
local store = require("services.persons.store")

local system = context.system({ name = "test" })

local function new_person()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO users (id, email) VALUES (?, ?)", id, id .. "@persons.test")
  return id
end

local function sealed(user_id, values)
  return db.transaction(system, function(tx)
    return persons.seal(tx, user_id, values)
  end)
end

-- How often the database is asked for keys.
local function count_reads()
  local reads = spy.on(store, "list")
  finally(function()
    reads:revert()
  end)
  return function()
    local count = #reads.calls
    reads:clear()
    return count
  end
end

describe("what names a person", function()
  it("is opened by their key alone", function()
    local ann, bob = new_person(), new_person()
    local text = sealed(ann, { name = "Xanthippe" })
    sealed(bob, { name = "Bob" })
    assert.is_nil(text:find("Xanthippe", 1, true))
    assert.not_equal(text, sealed(ann, { name = "Xanthippe" }))
    assert.same({ name = "Xanthippe" }, persons.open(system, ann, text))
    assert.is_nil(persons.open(system, bob, text))
    assert.is_nil(persons.open(system, uuid.v7(), text))
    assert.is_nil(persons.open(system, ann, "no such text"))
  end)

  it("is for nobody once the person was erased, and is not kept any more", function()
    local ann = new_person()
    local text = sealed(ann, { name = "Xanthippe" })
    db.transaction(system, function(tx)
      persons.forget(tx, ann)
    end)
    assert.is_nil(persons.open(system, ann, text))
    assert.is_nil(sealed(ann, { name = "Xanthippe" }))
  end)

  it("stays readable when an erasure is not to be", function()
    local ann = new_person()
    local text = sealed(ann, { name = "Xanthippe" })
    pcall(db.transaction, system, function(tx)
      persons.forget(tx, ann)
      error("no", 0)
    end)
    assert.same({ name = "Xanthippe" }, persons.open(system, ann, text))
  end)

  it("is not sealed with a key that was never stored", function()
    local ann = new_person()
    pcall(db.transaction, system, function(tx)
      assert.truthy(persons.seal(tx, ann, { name = "Xanthippe" }))
      error("no", 0)
    end)
    local text = sealed(ann, { name = "Xanthippe" })
    persons.changed(ann) -- what this process keeps is not needed to read it
    assert.same({ name = "Xanthippe" }, persons.open(system, ann, text))
  end)

  it("has one key, whoever is the first to need it", function()
    local ann, texts, count, done = new_person(), {}, 0, task.signal()
    for i = 1, 4 do
      task.spawn(function()
        texts[i] = sealed(ann, { i = i })
        count = count + 1
        done:notify()
      end)
    end
    while count < 4 do
      done:wait(5000)
    end
    persons.changed(ann)
    for i = 1, 4 do
      assert.same({ i = i }, persons.open(system, ann, texts[i]))
    end
  end)
end)

describe("what tells of several persons", function()
  local function together(ids)
    return db.transaction(system, function(tx)
      return persons.seal_together(tx, ids, "test", "all of them", "here")
    end)
  end

  local function open(people, text, purpose, bound_to)
    return persons.open_together(system, people, purpose or "test", text, bound_to or "here")
  end

  it("is opened by all of their keys", function()
    local ann, bob = new_person(), new_person()
    for _ = 1, 2 do -- their keys are made, and are there
      local text, people = together({ bob, uuid.v7(), ann })
      assert.same({ ann, bob }, people)
      assert.equal("all of them", open(people, text))
      assert.is_nil(open({ ann }, text))
      assert.is_nil(open(people, text, "other"))
      assert.is_nil(open(people, text, nil, "there"))
    end
  end)

  it("is for nobody once one of them was erased, who has no part in anything after", function()
    local ann, bob = new_person(), new_person()
    local text, people = together({ bob, ann })
    db.transaction(system, function(tx)
      persons.forget(tx, bob)
    end)
    assert.same({ nil, "ERASED" }, { open(people, text) })
    text, people = together({ bob, ann })
    assert.same({ ann }, people)
    assert.equal("all of them", open(people, text))
  end)

  it("may tell of nobody", function()
    local text, people = together({ uuid.v7() })
    assert.same({}, people)
    assert.equal("all of them", open(people, text))
  end)
end)

describe("a key", function()
  it("is asked for once, until its person has changed", function()
    local ann = new_person()
    local text = sealed(ann, { name = "Xanthippe" })
    local reads = count_reads()
    sealed(ann, { name = "again" })
    persons.open(system, ann, text)
    assert.equal(0, reads())
    persons.changed(ann)
    persons.open(system, ann, text)
    persons.open(system, ann, text)
    assert.equal(1, reads())
  end)

  it("is asked for with all others that are needed", function()
    local list = {}
    for i = 1, 6 do
      local id = new_person()
      list[i] = { person = id, sealed = sealed(id, { i = i }) }
      persons.changed(id)
    end
    list[7], list[8] = list[1], { person = uuid.v7(), sealed = list[1].sealed }
    local reads = count_reads()
    local values = persons.open_all(system, list)
    assert.equal(1, reads())
    assert.same({ i = 6 }, values[6])
    assert.same({ i = 1 }, values[7])
    assert.is_nil(values[8])
  end)

  it("that was read while its person was erased elsewhere is not kept", function()
    local ann = new_person()
    local text = sealed(ann, { name = "Xanthippe" })
    persons.changed(ann)
    db.transaction(system, function(tx)
      persons.open(tx, ann, text)
      store.destroy(system, ann) -- another worker, in a transaction of its own
      persons.changed(ann) -- this one hears of it before its transaction has ended
    end)
    assert.is_nil(persons.open(system, ann, text))
  end)
end)
