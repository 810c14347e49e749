local json = require("core.json")
local sandbox = require("core.sandbox")
local task = require("core.task")

-- The least that the host needs: an author's file defines `handler`, a run calls it.
local PRELUDE = [[
local sandbox = ...
local authors = {}
function sandbox.env()
  return setmetatable({ call = sandbox.call, log = sandbox.log_line }, {
    __index = string and { string = string, tostring = tostring },
    __newindex = function(_, name, value) authors[name] = value end,
  })
end
function sandbox.declared() return { handler = authors.handler ~= nil } end
function sandbox.run(input) return { value = authors.handler(input) } end
]]

local LIMITS = { cpu_ms = 50, wall_ms = 5000, output_max = 65536, log_max = 8192 }

local function parts(text)
  return {
    { name = "prelude.lua", text = PRELUDE, prelude = true },
    { name = "rules/x.lua", text = text },
  }
end

local function open(key, lane)
  return assert(sandbox.open(key or "a", lane or "live"))
end

local function loaded(release, text)
  local conn = open()
  assert(conn:load(release, parts(text)))
  return conn
end

local function start(conn, release, input, limits)
  return conn:start(release, json.encode(input or {}), limits or LIMITS)
end

describe("host.sandbox", function()
  it("loads a release once and runs it", function()
    local conn = open()
    local message, err = start(conn, "r1")
    assert.is_nil(message)
    assert.equal("UNKNOWN_RELEASE", err.code)
    local declared = assert(conn:load("r1", parts("function handler(e) return e.x + 1 end")))
    assert.same({ handler = true }, json.decode(declared))
    assert.equal(declared, conn:load("r1", parts("this is not looked at")))
    message = assert(start(conn, "r1", { x = 41 }))
    assert.equal("done", message.kind)
    assert.is_true(message.ok)
    assert.equal(42, json.decode(message.text).value.value)
    assert.is_true(message.cpu_us >= 0 and message.memory > 0)
    local other = open() -- another connection to the same process
    assert.equal("done", assert(start(other, "r1", { x = 1 })).kind)
  end)

  it("tells what is wrong with a release", function()
    local result, err = open():load("r2", parts("function ("))
    assert.is_nil(result)
    assert.equal("SCRIPT", err.code)
    assert.equal("rules/x.lua", json.decode(err.text).file)
  end)

  it("carries calls and their answers", function()
    local conn = loaded("r3", [[
      function handler(e)
        local got = call("kv.get", { key = e.key })
        return got.value .. "!"
      end]])
    local message = assert(start(conn, "r3", { key = "k" }))
    assert.equal("call", message.kind)
    local call = json.decode(message.text)
    assert.equal("kv.get", call.name)
    assert.same({ key = "k" }, call.arguments)
    message = assert(conn:answer(message.run, true, json.encode({ value = "v" })))
    assert.equal("done", message.kind)
    assert.equal("v!", json.decode(message.text).value.value)
    local again, err = conn:answer(message.run, true, "{}")
    assert.is_nil(again)
    assert.equal("NOT_FOUND", err.code)
  end)

  it("ends a run with the error that it is answered", function()
    local conn = loaded("r4", "function handler() local x = call('x', {}) return x end")
    local message = assert(start(conn, "r4"))
    message = assert(conn:answer(message.run, false,
      json.encode({ code = "NOT_FOUND", message = "there is none" })))
    assert.is_false(message.ok)
    local problem = json.decode(message.text).error
    assert.equal("NOT_FOUND", problem.code)
    assert.equal("rules/x.lua", problem.file)
  end)

  it("ends an endless loop by its budget", function()
    local conn = loaded("r5", "function handler() while true do end end")
    local message = assert(start(conn, "r5", {}, {
      cpu_ms = 10, wall_ms = 5000, output_max = 65536, log_max = 0,
    }))
    assert.is_false(message.ok)
    assert.equal("LIMIT_CPU", json.decode(message.text).error.code)
    assert.is_true(conn:is_open())
    assert.is_true(conn:cpu_us() > 0)
  end)

  it("says when the time of a run is over", function()
    local conn = loaded("r6", "function handler() return call('x', {}) end")
    local limits = { cpu_ms = 50, wall_ms = 30, output_max = 65536, log_max = 0 }
    local message = assert(start(conn, "r6", {}, limits))
    local walls = sandbox.stats().walls
    while sandbox.stats().walls == walls do
      task.sleep(5)
    end
    local late, err = conn:answer(message.run, true, "{}")
    assert.is_nil(late)
    assert.equal("LIMIT_WALL", err.code)
    assert.equal("done", assert(start(loaded("r1", "function handler(e) return 1 end"), "r1",
      { x = 1 })).kind)
  end)

  it("cancels a run when its task ends", function()
    local conn = loaded("r3", "function handler(e) return call('kv.get', { key = e.key }) end")
    local open_runs = sandbox.stats().open_runs
    local ended = task.signal()
    task.spawn(function()
      assert(start(conn, "r3", { key = "k" }))
      ended:notify() -- and goes without an answer
    end)
    assert(ended:wait(5000))
    for _ = 1, 400 do
      if sandbox.stats().open_runs == open_runs then
        break
      end
      task.sleep(5)
    end
    assert.equal(open_runs, sandbox.stats().open_runs)
  end)

  it("cancels a run at the deadline of the task that waits for it", function()
    local conn = loaded("r7", "function handler() while true do end end")
    local code
    local ended = task.signal()
    task.spawn(function()
      task.deadline(20)
      local _, err = start(conn, "r7", {}, {
        cpu_ms = 20000, wall_ms = 60000, output_max = 65536, log_max = 0,
      })
      code = err.code
      ended:notify()
    end)
    assert(ended:wait(5000))
    assert.equal("TIMEOUT", code)
  end)

  it("keeps lanes and keys apart", function()
    local live = loaded("r1", "function handler(e) return 1 end")
    local draft = open("a", "draft")
    local _, err = start(draft, "r1", { x = 1 })
    assert.equal("UNKNOWN_RELEASE", err.code)
    assert.equal("done", assert(start(live, "r1", { x = 1 })).kind)
    assert.is_true(sandbox.stats().processes >= 2)
  end)

  it("raises for what the caller does wrong", function()
    local conn = open()
    assert.has_error(function() sandbox.open("", "live") end)
    assert.has_error(function() sandbox.open(("k"):rep(65), "live") end)
    assert.has_error(function() sandbox.open("k", "../live") end)
    assert.has_error(function() conn:start(1.5, "{}", LIMITS) end)
    assert.has_error(function() conn:start("r1", "{}") end)
    assert.has_error(function() conn:load("r1", {}) end)
    assert.has_error(function() conn:load("r1", { { name = "x" } }) end)
    local _, err = conn:load("big", { { name = "x", text = (" "):rep(170000) } })
    assert.equal("TOO_LARGE", err.code)
    _, err = conn:load("big", { { name = ("n"):rep(256), text = "" } })
    assert.equal("TOO_LARGE", err.code)
  end)

  it("keeps a few releases, and drops what nobody used for longest", function()
    local conn = open("many")
    for i = 1, 12 do
      local release = "many " .. i
      assert(conn:load(release, parts("function handler() return " .. i .. " end")))
      assert.equal(i, json.decode(assert(start(conn, release)).text).value.value)
    end
    assert.equal("done", assert(start(conn, "many 12")).kind)
    local _, err = start(conn, "many 1")
    assert.equal("UNKNOWN_RELEASE", err.code)
  end)
end)
