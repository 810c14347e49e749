-- Copies of one's data do not stay for ever.
local context = require("core.context")
local db = require("core.db")
local uuid = require("core.uuid")
local export = require("services.identity.export")

local system = context.system({ name = "test" })

local function insert(user_id, age_days)
  local id, file_id = uuid.v7(), uuid.v7()
  local scope = db.platform(system)
  scope:exec([[INSERT INTO files (id, sha256, path, file_type, file_size) VALUES (?, ?, 'x', 'x', 1)]],
    file_id, ("0"):rep(64))
  scope:exec([[INSERT INTO data_exports (id, user_id, state, file_id, expires_at)
    VALUES (?, ?, 'done', ?, NOW(3) + INTERVAL ? DAY)]], id, user_id, file_id, age_days)
  return id, file_id
end

describe("copies of one's data", function()
  it("go when they are too old, with what they hold", function()
    local user_id = uuid.v7()
    db.platform(system):exec("INSERT INTO users (id, email) VALUES (?, ?)", user_id, user_id .. "@e.test")
    local _, old_file = insert(user_id, -1)
    local young, young_file = insert(user_id, 1)
    assert.equal(1, export.purge(system))
    assert.equal(0, export.purge(system))
    local rows = db.platform(system):query("SELECT id FROM data_exports WHERE user_id = ?", user_id)
    assert.same({ 1, young }, { #rows, rows[1].id })
    rows = db.platform(system):query("SELECT id FROM files WHERE id IN (?, ?)", old_file, young_file)
    assert.same({ 1, young_file }, { #rows, rows[1].id })
  end)
end)
