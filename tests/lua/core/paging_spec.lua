local cursor = require("core.cursor")
local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local s = require("core.schema")

local OPTIONS = {
  columns = {
    createdAt = "r.created_at",
    title = "r.title",
    due = { sql = "r.due_at", key = "due_at", nullable = true },
  },
  id = "r.id",
  default = "-createdAt",
}

local SCHEMA = paging.query_schema({
  sorts = { "createdAt", "title", "due" },
  filters = { status = s.list({ of = s.enum({ "open", "closed" }), optional = true }) },
})

local function read(query)
  local clean, problems = SCHEMA:validate(query, { coerce = true, strict = true })
  assert.is_nil(problems)
  return paging.read(nil, clean, OPTIONS)
end

local function refused(query)
  local _, problems = SCHEMA:validate(query, { coerce = true, strict = true })
  return problems and problems[1].field
end

local function cursor_after(page, row)
  local rows = {}
  for i = 1, page.limit do
    rows[i] = row
  end
  rows[#rows + 1] = {}
  return paging.meta(page, rows).nextCursor
end

describe("the query of a list", function()
  it("has limits and defaults", function()
    local page = read({})
    assert.equal(20, page.limit)
    assert.equal(21, page.fetch)
    assert.equal("r.created_at DESC, r.id DESC", page.order)
    assert.equal("TRUE", page.condition)
  end)

  it("is refused when a sort, a filter or a limit is unknown", function()
    assert.equal("sort", refused({ sort = "-secret" }))
    assert.equal("colour", refused({ colour = "red" }))
    assert.equal("limit", refused({ limit = "101" }))
    assert.equal("limit", refused({ limit = "0" }))
    assert.equal("status[0]", refused({ status = "lost" }))
    assert.equal("cursor", refused({ cursor = "x", page = "2" }))
  end)

  it("sorts by several columns", function()
    local page = read({ sort = "title,-createdAt" })
    assert.equal("r.title ASC, r.created_at DESC, r.id DESC", page.order)
  end)
end)

describe("a cursor", function()
  it("asks for what comes after the last row", function()
    local row = { created_at = "2026-11-20T09:12:44.120Z", id = "i1" }
    local page = read({ cursor = cursor_after(read({}), row) })
    assert.equal("(r.created_at < ? OR (r.created_at = ? AND r.id < ?))", page.condition)
    assert.same({ "2026-11-20 09:12:44.120", "2026-11-20 09:12:44.120", "i1" }, page.params)
  end)

  it("goes on behind and before rows without a value", function()
    local sorted = read({ sort = "due" })
    local page = read({ sort = "due", cursor = cursor_after(sorted, { id = "i1" }) })
    assert.equal("(r.due_at IS NOT NULL OR (r.due_at IS NULL AND r.id > ?))", page.condition)
    sorted = read({ sort = "-due" })
    page = read({ sort = "-due", cursor = cursor_after(sorted, { id = "i1" }) })
    assert.equal("(FALSE OR (r.due_at IS NULL AND r.id < ?))", page.condition)
  end)

  it("belongs to its sort", function()
    local other = cursor_after(read({ sort = "title" }), { title = "a", id = "i1" })
    local ok, err = pcall(read, { cursor = other })
    assert.is_false(ok)
    assert.is_true(errors.is(err, "VALIDATION_ERROR"))
  end)

  it("cannot be made or changed by a client", function()
    local good = cursor.encode({ s = "-createdAt", v = { "x", "y" } })
    assert.same({ s = "-createdAt", v = { "x", "y" } }, cursor.decode(good))
    local flipped = good:gsub("^.", function(c)
      return c == "A" and "B" or "A"
    end)
    for _, bad in ipairs({ flipped, good .. "A", good:sub(1, -3), "", "!!", ("A"):rep(5000) }) do
      assert.has_error(function()
        cursor.decode(bad)
      end)
    end
  end)
end)

describe("a cursor of another tenant's list, or of another list", function()
  local function read_as(ctx, after)
    local clean = assert(SCHEMA:validate({ limit = "1", cursor = after }, { coerce = true }))
    return paging.read(ctx, clean, OPTIONS)
  end

  it("is refused", function()
    local ctx = { path = "/reports", tenant = { id = "a" } }
    local after = cursor_after(read_as(ctx), { id = 1, created_at = "2026-11-20T09:12:44.120Z" })
    assert.not_equal("TRUE", read_as(ctx, after).condition)
    for _, other in ipairs({ { path = "/reports", tenant = { id = "b" } },
      { path = "/workorders", tenant = { id = "a" } }, { path = "/reports" } }) do
      local ok, err = pcall(read_as, other, after)
      assert.is_false(ok)
      assert.equal("VALIDATION_ERROR", err.code)
    end
  end)
end)

describe("the meta of a list", function()
  it("says whether there is more and takes the surplus row away", function()
    local page = read({ limit = "2" })
    local rows = { { id = 1, created_at = "a" }, { id = 2, created_at = "b" }, { id = 3 } }
    local meta = paging.meta(page, rows)
    assert.is_true(meta.hasMore)
    assert.equal(2, #rows)
    meta = paging.meta(page, { { id = 1 } })
    assert.is_false(meta.hasMore)
    assert.equal(json.null, meta.nextCursor)
  end)

  it("counts pages where a page was asked for", function()
    local page = read({ page = "3", limit = "10" })
    assert.equal(20, page.offset)
    assert.equal(10, page.fetch)
    assert.same({ limit = 10, page = 3, total = 41, totalPages = 5 }, paging.meta(page, {}, 41))
  end)
end)
