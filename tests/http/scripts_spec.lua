-- Drafts, releases, secrets and switches of a tenant's scripts: every call, what it refuses, and who
-- may.
local expect = require("tests.support.expect")
local servers = require("tests.support.server")

local refused = expect.refused

local RULE = "rules/electrical.lua"
local GOOD = [[
before("report.create", function(report)
  if report.category == "electrical" then
    reject("location", "electrical hazards need a position")
  end
end)
]]
local WRONG = 'before("report.create", function(report)\n  reprot.title = "x"\nend)\n'

local server, api, owner, northgrid

setup(function()
  server = servers.start()
  api = server.api
  owner = api:login("owner@riverton.example")
  northgrid = api:login("owner@northgrid.example")
end)

teardown(function()
  server:stop()
end)

local function by(who, json, more)
  local options = more or {}
  options.token, options.json = who.token, json
  return options
end

local function ok(answer, status)
  assert.equal(status or 200, answer.status, answer.body)
  return answer.json.data, answer
end

local function draft(path, method, options)
  return api:request(method, "/scripts/draft/" .. path, options)
end

local function put(path, content, who)
  local answer = draft(path, "PUT", by(who or owner, { content = content }))
  assert.is_true(answer.status == 200 or answer.status == 201, answer.body)
  return answer.json.data, answer
end

local function overview(who)
  return ok(api:get("/scripts", by(who or owner)))
end

local function publish(body, headers)
  return api:post("/scripts/publish", by(owner, body, { headers = headers }))
end

local function actions(prefix)
  return server:sql("SELECT GROUP_CONCAT(action ORDER BY created_at, id SEPARATOR ' ') FROM audit_logs "
    .. "WHERE action LIKE '" .. prefix .. "%'"):gsub("%s+$", "")
end

describe("a draft", function()
  it("begins empty", function()
    local all, answer = overview()
    assert.same({ version = 0, files = {} }, all.draft)
    assert.same({}, all.secrets)
    assert.same({}, all.disabled)
    assert.truthy(answer.body:find('"active":null', 1, true))
    assert.truthy(answer.headers.etag)
  end)

  it("takes files as JSON and as text, and gives them back as both", function()
    local file, answer = put(RULE, GOOD)
    assert.equal(201, answer.status)
    assert.equal("/api/v1/scripts/draft/" .. RULE, answer.headers.location)
    assert.same({ RULE, GOOD, owner.user.id }, { file.path, file.content, file.updatedBy.id })
    for _, media_type in ipairs({ "text/plain", "text/x-lua; charset=utf-8" }) do
      local text = "-- " .. media_type .. "\n"
      ok(draft(RULE, "PUT", { token = owner.token, body = text,
        headers = { ["content-type"] = media_type } }))
      assert.equal(text, ok(draft(RULE, "GET", by(owner))).content)
      local plain = draft(RULE, "GET", by(owner, nil, { headers = { accept = "text/plain" } }))
      assert.same({ 200, text, "text/plain; charset=utf-8" },
        { plain.status, plain.body, plain.headers["content-type"] })
    end
    for _, media_type in ipairs({ "text/plain", "text/x-lua" }) do
      local empty = draft("rules/empty.lua", "PUT", { token = owner.token, body = "",
        headers = { ["content-type"] = media_type } })
      assert.is_true(empty.status == 200 or empty.status == 201, empty.body)
      assert.equal("", ok(draft("rules/empty.lua", "GET", by(owner))).content)
    end
    ok(draft("rules/empty.lua", "DELETE", by(owner)))
    put("notes/read-me.md", "# Rules\n")
    put("data/streets.json", "[]")
    local listed = overview().draft
    assert.equal(8, listed.version)
    assert.same({ "data/streets.json", "notes/read-me.md", RULE },
      { listed.files[1].path, listed.files[2].path, listed.files[3].path })
    assert.equal(2, listed.files[1].size)
    assert.is_nil(listed.files[1].content)
  end)

  it("knows who changed a file in the meantime", function()
    local _, answer = ok(draft(RULE, "GET", by(owner)))
    local tag = answer.headers.etag
    assert.equal(304, draft(RULE, "GET", by(owner, nil, { headers = { ["if-none-match"] = tag } })).status)
    local mine = { headers = { ["if-match"] = tag } }
    ok(draft(RULE, "PUT", by(owner, { content = GOOD }, mine)))
    refused(412, "PRECONDITION_FAILED", draft(RULE, "PUT", by(owner, { content = "" }, mine)))
    refused(412, "PRECONDITION_FAILED", draft(RULE, "DELETE", by(owner, nil, mine)))
    local any = { headers = { ["if-match"] = "*" } }
    ok(draft(RULE, "PUT", by(owner, { content = GOOD }, any)))
    for _, wanted in ipairs({ mine, any }) do
      refused(412, "PRECONDITION_FAILED", draft("rules/new.lua", "PUT", by(owner, { content = "" }, wanted)))
    end
    refused(404, "NOT_FOUND", draft("rules/new.lua", "GET", by(owner)))
    assert.equal(GOOD, ok(draft(RULE, "GET", by(owner))).content)
  end)

  it("refuses what is no path of a script", function()
    for _, path in ipairs({ "rules/A.lua", "a.txt", "a", "a.b.lua", ".lua", "a/.lua", "a//b.lua",
      "/a.lua", "..%2Fa.lua", "a%20b.lua", ("x"):rep(65) .. ".lua" }) do
      for _, method in ipairs({ "GET", "PUT", "DELETE" }) do
        local answer = draft(path, method, by(owner, method == "PUT" and { content = "" } or nil))
        assert.equal("path", refused(400, "VALIDATION_ERROR", answer).details[1].field, path)
      end
      refused(400, "VALIDATION_ERROR", api:post("/scripts/files/" .. path .. "/disable", by(owner, {})))
    end
    refused(404, "NOT_FOUND", draft("rules/none.lua", "GET", by(owner)))
    refused(404, "NOT_FOUND", draft("rules/none.lua", "DELETE", by(owner)))
    refused(404, "NOT_FOUND", api:get("/scripts/draft/", by(owner)))
  end)

  it("refuses what is no text, or too much of it", function()
    local function field(body, options)
      local answer = draft("rules/big.lua", "PUT", options or by(owner, body))
      return refused(400, "VALIDATION_ERROR", answer).details[1].field
    end
    assert.equal("content", field({}))
    assert.equal("content", field({ content = 5 }))
    assert.equal("content", field({ content = ("x"):rep(65537) }))
    assert.equal("content", field({ content = "a\0b" }))
    assert.equal("content", field(nil, { token = owner.token, body = "\27LJ\255",
      headers = { ["content-type"] = "text/x-lua" } }))
    refused(413, "PAYLOAD_TOO_LARGE", draft("rules/big.lua", "PUT", { token = owner.token,
      body = ("x"):rep(600000), headers = { ["content-type"] = "text/plain" } }))
    refused(415, "UNSUPPORTED_MEDIA_TYPE", draft("rules/big.lua", "PUT", { token = owner.token,
      body = "x", headers = { ["content-type"] = "application/octet-stream" } }))
    put("rules/big.lua", ("x"):rep(65536), northgrid)
    server:sql("INSERT INTO script_drafts (tenant_id, path, content) SELECT d.tenant_id, "
      .. "CONCAT('rules/big', s.seq, '.lua'), d.content FROM script_drafts d JOIN seq_1_to_31 s "
      .. "WHERE d.path = 'rules/big.lua'")
    local answer = draft("rules/one_more.lua", "PUT", by(northgrid, { content = "x" }))
    assert.equal("content", refused(400, "VALIDATION_ERROR", answer).details[1].field)
    server:sql("DELETE FROM script_drafts WHERE path LIKE 'rules/big%'")
    server:sql("INSERT INTO script_drafts (tenant_id, path, content) SELECT t.id, "
      .. "CONCAT('many/', s.seq, '.lua'), '' FROM tenants t JOIN seq_1_to_200 s "
      .. "WHERE t.slug = 'northgrid'")
    answer = draft("rules/one_more.lua", "PUT", by(northgrid, { content = "x" }))
    assert.equal("path", refused(400, "VALIDATION_ERROR", answer).details[1].field)
    server:sql("DELETE FROM script_drafts WHERE path LIKE 'many/%'")
  end)

  it("loses a file", function()
    ok(draft("data/streets.json", "DELETE", by(owner)))
    refused(404, "NOT_FOUND", draft("data/streets.json", "GET", by(owner)))
    assert.equal(2, #overview().draft.files)
    assert.same({}, overview(northgrid).draft.files)
    assert.truthy(actions("script.draft."):find("script.draft.delete$"))
  end)
end)

describe("a check", function()
  it("names file, line and column of what is wrong", function()
    put(RULE, WRONG)
    put("rules/broken.lua", "local x = = 1\n")
    local found = ok(api:post("/scripts/check", by(owner, {})))
    assert.is_false(found.ok)
    local seen = {}
    for i, problem in ipairs(found.problems) do
      seen[i] = { problem.file, problem.line, problem.column, problem.severity }
    end
    assert.same({ { "rules/broken.lua", 1, 11, "error" }, { RULE, 2, 3, "error" } }, seen)
    assert.equal("unknown name 'reprot'", found.problems[2].message)
    local details = refused(422, "CHECK_FAILED", publish({ message = "broken" })).details
    assert.same(found.problems, details)
    assert.equal(0, ok(api:get("/scripts/releases?page=1", by(owner))) and
      api:get("/scripts/releases?page=1", by(owner)).json.meta.total)
    ok(draft("rules/broken.lua", "DELETE", by(owner)))
  end)

  it("warns of what may be meant", function()
    put(RULE, "local unused = 1\n" .. GOOD)
    local found = ok(api:post("/scripts/check", by(owner, {})))
    assert.is_true(found.ok)
    assert.same({ RULE, 1, "warning" },
      { found.problems[1].file, found.problems[1].line, found.problems[1].severity })
  end)

  it("warns of a step from a state that nothing has, wherever another leads to it", function()
    put("rules/steps.lua", [[
transition{ of = "workorder", from = "waiting", to = "in_progress" }
transition{ of = "workorder", from = "in_progres", to = "waiting" }
transition{ of = "report", from = "waiting", to = "resolved" }
]])
    local found = ok(api:post("/scripts/check", by(owner, {})))
    local warned = {}
    for _, problem in ipairs(found.problems) do
      if problem.file == "rules/steps.lua" then
        warned[#warned + 1] = ("%s %d %s"):format(problem.severity, problem.line, problem.message)
      end
    end
    assert.same({ "warning 2 transition: no workorder is ever 'in_progres'",
      "warning 3 transition: no report is ever 'waiting'" }, warned)
    assert.is_true(found.ok)
    ok(draft("rules/steps.lua", "DELETE", by(owner)))
  end)

  it("tells what is declared, and what of it there is not", function()
    put("rules/declared.lua", [[
on("report.create", function() end)
before("report.create", function() end)
every("0 7 * * *", "morning", function() end)
route("GET", "/open", function() end)
transition{ of = "workorder", from = "accepted", to = "awaiting_parts" }
]])
    local found = ok(api:post("/scripts/check", by(owner, {})))
    assert.is_false(found.ok)
    assert.same({ file = "rules/declared.lua", line = 1, column = 1, severity = "error",
      message = "unknown event 'report.create' (did you mean 'report.created'?)" }, found.problems[1])
    local kinds = {}
    for i, hook in ipairs(found.hooks) do
      kinds[i] = ("%s %s %s:%d"):format(hook.kind, hook.name, hook.file, hook.line)
    end
    assert.same({ "before report.create rules/declared.lua:2", "every morning rules/declared.lua:3",
      "route GET /open rules/declared.lua:4",
      "transition workorder:accepted:awaiting_parts rules/declared.lua:5",
      "before report.create " .. RULE .. ":2" }, kinds)
    assert.same({ { name = "morning", cron = "0 7 * * *", file = "rules/declared.lua", line = 3 } },
      found.schedules)
    assert.same({ { method = "GET", path = "/open", file = "rules/declared.lua", line = 4 } }, found.routes)
    assert.same({ { of = "workorder", from = "accepted", to = "awaiting_parts",
      file = "rules/declared.lua", line = 5 } }, found.transitions)
    put("rules/declared.lua", "string.rep('x', 2^40)\n")
    found = ok(api:post("/scripts/check", by(owner, {})))
    assert.same({ "rules/declared.lua", 1, "error" },
      { found.problems[1].file, found.problems[1].line, found.problems[1].severity })
    put("rules/declared.lua", "while true do end\n")
    found = ok(api:post("/scripts/check", by(owner, {})))
    assert.truthy(found.problems[1].message:find("^limit: cpu"), found.problems[1].message)
    ok(draft("rules/declared.lua", "DELETE", by(owner)))
  end)

  it("does not look at specs and notes", function()
    put("spec/electrical_spec.lua", "describe('x', function() undefined_name() end)\n")
    assert.is_true(ok(api:post("/scripts/check", by(owner, {}))).ok)
  end)
end)

describe("a release", function()
  it("needs a message, and a share within bounds", function()
    for _, body in ipairs({ {}, { message = "" }, { message = ("x"):rep(501) },
      { message = "x", canary = 0 }, { message = "x", canary = 100 }, { message = "x", canary = 1.5 } }) do
      refused(400, "VALIDATION_ERROR", publish(body))
    end
  end)

  it("is the draft, numbered and written down", function()
    put(RULE, GOOD)
    local release, answer = ok(publish({ message = "  electrical hazards  " }), 201)
    assert.same({ 1, "electrical hazards", "active", owner.user.id },
      { release.release, release.message, release.state, release.author.id })
    assert.equal("/api/v1/scripts/releases/1", answer.headers.location)
    assert.equal(1, ok(api:get("/scripts/releases/1", by(owner))).release)
    assert.same(release, overview().active)
    assert.equal("script.publish", actions("script.publish"))
  end)

  it("goes by the draft that was looked at", function()
    local _, answer = overview()
    local looked_at = { ["if-match"] = answer.headers.etag }
    put(RULE, GOOD .. "-- second\n")
    refused(412, "PRECONDITION_FAILED", publish({ message = "second" }, looked_at))
    _, answer = overview()
    ok(publish({ message = "second" }, { ["if-match"] = answer.headers.etag }), 201)
  end)

  it("is one of those published at the same time", function()
    put(RULE, GOOD .. "-- third\n")
    local calls = {}
    for i = 1, 4 do
      calls[i] = function()
        return publish({ message = "third" }).status
      end
    end
    local statuses = require("tests.support.client").at_once(calls)
    table.sort(statuses)
    assert.same({ 201, 409, 409, 409 }, statuses)
    assert.equal(3, overview().active.release)
  end)

  it("tells who listens, and is listed", function()
    local listed, answer = ok(api:get("/scripts/releases", by(owner)))
    assert.same({ 3, 2, 1 }, { listed[1].release, listed[2].release, listed[3].release })
    assert.same({ "active", "retired" }, { listed[1].state, listed[2].state })
    assert.is_false(answer.json.meta.hasMore)
    listed = ok(api:get("/scripts/releases?sort=release&limit=1", by(owner)))
    assert.equal(1, listed[1].release)
    refused(400, "VALIDATION_ERROR", api:get("/scripts/releases?sort=message", by(owner)))
    assert.equal("3", (server:sql("SELECT (SELECT COUNT(*) FROM outbox WHERE event = 'script.released') "
      .. "+ (SELECT COUNT(*) FROM event_log WHERE event = 'script.released')"):gsub("%s+", "")))
  end)

  it("is read with its files and what they declare", function()
    local path = "/scripts/releases/3"
    local release, answer = ok(api:get(path, by(owner)))
    assert.same({ 3, "third", "active" }, { release.release, release.message, release.state })
    assert.same({ "notes/read-me.md", RULE, "spec/electrical_spec.lua" },
      { release.files[1].path, release.files[2].path, release.files[3].path })
    assert.same({ path = RULE, size = #(GOOD .. "-- third\n") }, release.files[2])
    assert.same({ { kind = "before", name = "report.create", file = RULE, line = 1 } }, release.hooks)
    local held = { headers = { ["if-none-match"] = answer.headers.etag } }
    assert.equal(304, api:get(path, by(owner, nil, held)).status)
    assert.equal("retired", ok(api:get("/scripts/releases/1", by(owner))).state)
    for _, number in ipairs({ "9", "0", "x" }) do
      refused(404, "NOT_FOUND", api:get("/scripts/releases/" .. number, by(owner)))
    end
    refused(404, "NOT_FOUND", api:get(path, by(northgrid)))
  end)

  it("differs from the one before, and from any other", function()
    local changed, answer = ok(api:get("/scripts/releases/3/diff", by(owner)))
    local held = { headers = { ["if-none-match"] = answer.headers.etag } }
    assert.equal(304, api:get("/scripts/releases/3/diff", by(owner, nil, held)).status)
    assert.equal(200, api:get("/scripts/releases/2/diff", by(owner, nil, held)).status)
    local files = changed.files
    assert.same({ { path = RULE, change = "changed", diff = files[1].diff } }, files)
    assert.truthy(files[1].diff:find("^%-%-%- a/" .. RULE:gsub("%W", "%%%0") .. "\n%+%+%+ b/"))
    assert.truthy(files[1].diff:find("\n--- second\n+-- third\n", 1, true), files[1].diff)
    files = ok(api:get("/scripts/releases/1/diff", by(owner))).files
    assert.same({ "added", "added", "added" }, { files[1].change, files[2].change, files[3].change })
    files = ok(api:get("/scripts/releases/1/diff?from=3", by(owner))).files
    assert.equal(1, #files)
    assert.same({}, ok(api:get("/scripts/releases/2/diff?from=2", by(owner))).files)
    for _, path in ipairs({ "9/diff", "3/diff?from=9", "x/diff", "0/diff" }) do
      refused(404, "NOT_FOUND", api:get("/scripts/releases/" .. path, by(owner)))
    end
    refused(400, "VALIDATION_ERROR", api:get("/scripts/releases/3/diff?from=x", by(owner)))
  end)

  it("is published once for an idempotency key", function()
    local key = { ["idempotency-key"] = "publish-once" }
    local first = publish({ message = "once" }, key)
    local again = publish({ message = "once" }, key)
    assert.same({ 201, 201, "true" }, { first.status, again.status, again.headers["idempotent-replayed"] })
    assert.equal(first.body, again.body)
    assert.equal(4, overview().active.release)
    refused(409, "IDEMPOTENCY_MISMATCH", publish({ message = "twice" }, key))
  end)

  it("is taken back to any that is kept", function()
    local back = ok(api:post("/scripts/rollback", by(owner, { release = 1 })))
    assert.same({ 1, "active" }, { back.release, back.state })
    refused(409, "CONFLICT", api:post("/scripts/rollback", by(owner, { release = 1 })))
    refused(404, "NOT_FOUND", api:post("/scripts/rollback", by(owner, { release = 9 })))
    refused(404, "NOT_FOUND", api:post("/scripts/rollback", by(northgrid, { release = 1 })))
    refused(400, "VALIDATION_ERROR", api:post("/scripts/rollback", by(owner, { release = "x" })))
    assert.equal(1, overview().active.release)
    assert.equal("script.rollback", actions("script.rollback"))
  end)

  it("is tried as a canary beside the active one, and taken or not", function()
    local canary = ok(publish({ message = "careful", canary = 20 }), 201)
    assert.same({ 5, "canary", 20 }, { canary.release, canary.state, canary.canary })
    assert.same({ 1, 5 }, { overview().active.release, overview().canary.release })
    ok(api:post("/scripts/rollback", by(owner, { release = 1 })))
    assert.same({ 1, require("cjson").null }, { overview().active.release, overview().canary })
    ok(publish({ message = "again", canary = 20 }), 201)
    ok(api:post("/scripts/rollback", by(owner, { release = 6 })))
    assert.same({ 6, require("cjson").null }, { overview().active.release, overview().canary })
  end)

  it("is kept with the latest hundred and what runs", function()
    server:sql("INSERT INTO script_releases (id, tenant_id, number, message, hooks) SELECT UUID(), "
      .. "id, s.seq, 'old', '{}' FROM tenants JOIN seq_7_to_120 s WHERE slug = 'riverton'")
    server:sql("UPDATE script_active SET next_number = 121 WHERE next_number = 7")
    local release = ok(publish({ message = "one more", canary = 5 }), 201)
    assert.equal(121, release.release)
    local _, answer = ok(api:get("/scripts/releases?page=1&sort=release", by(owner)))
    assert.equal(101, answer.json.meta.total) -- and 6, the active one
    assert.same({ 6, 22 }, { answer.json.data[1].release, answer.json.data[2].release })
  end)
end)

describe("a switch", function()
  it("takes a file out of what runs, and back", function()
    assert.same({ path = RULE, enabled = false },
      ok(api:post("/scripts/files/" .. RULE .. "/disable", by(owner, { reason = "too eager" }))))
    ok(api:post("/scripts/files/" .. RULE .. "/disable", by(owner, {})))
    local disabled = overview().disabled
    assert.equal(1, #disabled)
    assert.same({ RULE, "too eager", owner.user.id },
      { disabled[1].path, disabled[1].reason, disabled[1].disabledBy.id })
    assert.same({ path = RULE, enabled = true },
      ok(api:post("/scripts/files/" .. RULE .. "/enable", by(owner, {}))))
    ok(api:post("/scripts/files/" .. RULE .. "/enable", by(owner, {})))
    assert.same({}, overview().disabled)
    for _, what in ipairs({ "enable", "disable" }) do
      refused(404, "NOT_FOUND", api:post("/scripts/files/rules/none.lua/" .. what, by(owner, {})))
      refused(404, "NOT_FOUND", api:post("/scripts/files/" .. RULE .. "/" .. what, by(northgrid, {})))
    end
    assert.equal("script.disable", actions("script.disable"))
    assert.equal("script.enable", actions("script.enable"))
  end)
end)

describe("a secret", function()
  it("is written and never shown", function()
    local function secret(method, name, json, who)
      return api:request(method, "/script-secrets/" .. name, by(who or owner, json))
    end
    assert.same({ name = "billing.key" }, ok(secret("PUT", "billing.key", { value = "s3cr3t-word" }), 201))
    ok(secret("PUT", "billing.key", { value = "s3cr3t-other" }))
    local all, answer = overview()
    assert.equal("billing.key", all.secrets[1].name)
    assert.is_nil(answer.body:find("s3cr3t", 1, true))
    assert.equal("0", (server:sql("SELECT COUNT(*) FROM script_secrets WHERE sealed LIKE '%s3cr3t%'"):gsub("%s", "")))
    assert.is_nil(server:log_text():find("s3cr3t", 1, true))
    assert.equal("0", (server:sql("SELECT COUNT(*) FROM audit_logs WHERE new_values LIKE '%s3cr3t%'"):gsub("%s", "")))
    refused(405, "METHOD_NOT_ALLOWED", secret("GET", "billing.key"))
    for _, name in ipairs({ "1x", "a%20b", ("x"):rep(65), "-a" }) do
      assert.equal("name", refused(400, "VALIDATION_ERROR", secret("PUT", name, { value = "x" })).details[1].field)
      refused(400, "VALIDATION_ERROR", secret("DELETE", name))
    end
    for _, body in ipairs({ {}, { value = "" }, { value = ("x"):rep(5121) } }) do
      assert.equal("value", refused(400, "VALIDATION_ERROR", secret("PUT", "other", body)).details[1].field)
    end
    ok(secret("PUT", "longest", { value = ("x"):rep(5120) }), 201)
    server:sql("INSERT INTO script_secrets (tenant_id, name, sealed) SELECT tenant_id, "
      .. "CONCAT('s', seq), sealed FROM script_secrets JOIN seq_1_to_62 WHERE name = 'longest'")
    refused(409, "CONFLICT", secret("PUT", "one_more", { value = "x" }))
    ok(secret("PUT", "longest", { value = "x" }))
    refused(404, "NOT_FOUND", secret("DELETE", "billing.key", nil, northgrid))
    ok(secret("DELETE", "billing.key"))
    refused(404, "NOT_FOUND", secret("DELETE", "billing.key"))
    assert.equal("script.secret.delete", actions("script.secret.d"))
  end)
end)

describe("who may", function()
  it("read, write and publish goes by permission", function()
    local reader = ok(api:post("/api-keys", by(owner, { name = "reader", scopes = { "scripts.read" } })), 201)
    local function with_key(method, path, json)
      return api:request(method, path, { json = json, headers = { ["x-api-key"] = reader.key } }).status
    end
    assert.equal(200, with_key("GET", "/scripts"))
    assert.equal(200, with_key("GET", "/scripts/releases"))
    assert.equal(403, with_key("PUT", "/scripts/draft/" .. RULE, { content = "" }))
    assert.equal(403, with_key("POST", "/scripts/publish", { message = "x" }))
    assert.equal(403, with_key("PUT", "/script-secrets/a", { value = "x" }))
  end)
end)

describe("the command line", function()
  local folder

  local function command(words)
    return server:command("scripts " .. words .. " --tenant northgrid --folder " .. folder)
  end

  local function write(path, text)
    local name = folder .. "/" .. path
    servers.shell("mkdir -p $(dirname " .. name .. ")")
    local file = assert(io.open(name, "w"))
    file:write(text)
    file:close()
  end

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
  end)

  teardown(function()
    servers.shell("rm -rf " .. folder)
  end)

  local function ends(expected_code, words, ...)
    local code, output = command(words)
    assert.equal(expected_code, code, output)
    for _, expected in ipairs({ ... }) do
      assert.truthy(output:find(expected, 1, true), output)
    end
  end

  local function succeeds(...)
    ends(0, ...)
  end

  local function fails(...)
    ends(1, ...)
  end

  it("checks, pushes, lists, rolls back and pulls", function()
    fails("push --message first", "there is no folder")
    write(RULE, WRONG)
    write("README.txt", "for people")
    fails("check", RULE .. ":2:3: error: unknown name 'reprot'")
    fails("push --message first", "not published")
    assert.equal(RULE, overview(northgrid).draft.files[1].path)
    write(RULE, GOOD)
    write("notes/why.md", "# Why\n")
    succeeds("check", "README.txt: no script by its name")
    succeeds("diff", "+before(\"report.create\"")
    fails("push --message x --canary 100", "1 to 99")
    succeeds("push --draft", "1 files added, 1 changed, 0 removed")
    assert.equal(require("cjson").null, overview(northgrid).active)
    succeeds("push --message first", "   1  active")
    assert.equal(1, overview(northgrid).active.release)
    write(RULE, "-- nothing\n")
    succeeds("push --message second --canary 25", "   2  canary 25%")
    succeeds("releases", "   2  canary 25%")
    fails("rollback 7", "There is no such release")
    succeeds("rollback 2", "   2  active")
    assert.equal(2, overview(northgrid).active.release)
    succeeds("pull --release 1", "2 files in " .. folder)
    assert.equal(GOOD, servers.read_file(folder .. "/" .. RULE))
    servers.shell("rm -rf " .. folder)
    write("rules/later.lua", "local later = 1\nreturn later\n")
    succeeds("pull --release 1", "2 files in " .. folder,
      folder .. "/rules/later.lua: was not pulled, and a push would publish it too")
    assert.truthy(servers.read_file(folder .. "/rules/later.lua"))
    write("README.txt", "for people")
    succeeds("pull --release 1 --clean", folder .. "/rules/later.lua: removed")
    assert.is_nil(servers.read_file(folder .. "/rules/later.lua"))
    assert.same({ GOOD, "for people" }, { servers.read_file(folder .. "/" .. RULE),
      servers.read_file(folder .. "/README.txt") })
    servers.shell("rm -rf " .. folder)
    succeeds("pull", "2 files in " .. folder)
    assert.equal("-- nothing\n", servers.read_file(folder .. "/" .. RULE))
    succeeds("test --last 3", "0 events, 0 actions, 0 errors")
    succeeds("runs --status error,dead")
    for words, told in pairs({ ["rollback x"] = "the release must be a number",
      ["push"] = "needs --message", ["runs --status odd"] = "must be one of ok, error", ["runs --status ok,odd"] = "must be one of" }) do
      local _, output = command(words)
      assert.is_nil(output:find("traceback", 1, true), output)
      assert.is_nil(output:find("INTERNAL", 1, true), output)
      fails(words, "fixxit: ", told)
    end
    fails("dance", "pull | check")
    assert.equal(1, (server:command("scripts check --tenant nowhere")))
    fails("releases --data " .. folder, "is " .. folder .. " its data folder?")
  end)

  it("runs specs against made-up events", function()
    write(RULE, GOOD)
    write("spec/electrical_spec.lua", [[
describe("electrical hazards", function()
  before_each(function() answer("users.get", 1) end)
  it("need a position", function()
    local result = rules.before("report.create", { category = "electrical" })
    assert.same({ { field = "location", message = "electrical hazards need a position" } }, result.rejected)
  end)
  it("are not all there is", function()
    assert.same({}, rules.before("report.create", { category = "other" }).rejected)
  end)
end)
]])
    succeeds("spec", "ok      electrical hazards need a position\nok      electrical hazards are not all",
      "2 specs, 0 failed")
    write("spec/wrong_spec.lua", [[
it("compares", function()
  assert.same({ a = 1 }, { a = 2 })
end)
it("ends", function() while true do end end)
it("calls what there is", function() rules.every("never") end)
it("declares no rule", function() on("report.created", function() end) end)
]])
    fails("spec", 'spec/wrong_spec.lua:2: expected {"a":1}, got {"a":2}',
      "spec/wrong_spec.lua:4: limit: ", "spec/wrong_spec.lua:5: no rule declares every never",
      "spec/wrong_spec.lua:6: on declares a rule", "6 specs, 4 failed")
    write("spec/wrong_spec.lua", "describe('x'\n")
    fails("spec", "spec/wrong_spec.lua:")
  end)
end)
