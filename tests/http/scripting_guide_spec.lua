-- The author's guide, docs/scripting.md, is true: its files check, its specs pass, its commands answer
-- what it shows, and its tables name all there is.
local cjson = require("cjson.safe")
local servers = require("tests.support.server")

local GUIDE = "docs/scripting.md"
local ANYTHING = "…"

local server, folder, text

setup(function()
  server = servers.start({ env = { FIXXIT_DEMO_PAST = "true" } })
  servers.await_relay(server.data)
  folder = os.tmpname()
  os.remove(folder)
  text = assert(servers.read_file(GUIDE))
end)

teardown(function()
  servers.shell("rm -rf " .. folder)
  server:stop()
end)

-- The sections of the guide as {title, blocks = {{kind, text}, ...}}.
local function sections()
  local list, block = {}, nil
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local kind = line:match("^```(%a*)$")
    if block and kind == "" then
      block = nil
    elseif block then
      block.text = block.text .. line .. "\n"
    elseif kind then
      block = { kind = kind, text = "" }
      table.insert(list[#list].blocks, block)
    elseif line:find("^## ") then
      list[#list + 1] = { title = line:sub(4), blocks = {} }
    end
  end
  return list
end

local function section(title)
  return assert(text:match("\n#+ " .. title .. "\n(.-)\n#+ "), title)
end

local function write(content)
  local path = assert(content:match("^%-%- (%S+%.lua)\n"), "a file without a name: " .. content)
  servers.shell("mkdir -p " .. folder .. "/mine/" .. (path:match("^(.*)/") or ""))
  local file = assert(io.open(folder .. "/mine/" .. path, "w"))
  file:write(content)
  file:close()
  return path
end

local function run(command)
  local words = command:gsub("%-%-folder mine", "--folder " .. folder .. "/mine")
  if words:find("^fixxit ") then
    return select(2, server:command(words:gsub("^fixxit ", "")))
  end
  return select(2, servers.shell(("API=http://127.0.0.1:%d/api/v1; "):format(server.port) .. words))
end

local function matches(expected, output)
  local pattern = expected:gsub("%s+$", ""):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub(ANYTHING, ".-")
  return output:gsub("%s+$", ""):find("^" .. pattern .. "$") ~= nil
end

-- Runs "$ command" lines and holds what they print against the lines that follow.
local function try_console(block)
  local commands = {}
  for line in block:gmatch("(.-)\n") do
    local command = line:match("^%$ (.*)$")
    if command then
      commands[#commands + 1] = { line = command, expected = "" }
    else
      commands[#commands].expected = commands[#commands].expected .. line .. "\n"
    end
  end
  for _, command in ipairs(commands) do
    local output = run(command.line)
    assert.is_true(matches(command.expected, output), command.line .. "\n" .. output)
  end
end

describe("the author's guide", function()
  it("shows files and commands that work", function()
    local files = 0
    for _, part in ipairs(sections()) do
      servers.shell("rm -rf " .. folder .. "; mkdir -p " .. folder)
      local has_rules = false
      for _, block in ipairs(part.blocks) do
        if block.kind == "lua" then
          write(block.text)
          files, has_rules = files + 1, true
        elseif block.kind == "console" then
          try_console(block.text)
        else
          error("a block that is not tried: " .. block.text)
        end
      end
      if has_rules then
        local found = cjson.decode(run("fixxit scripts check --json --folder mine"))
        assert.same({}, found.problems, part.title)
      end
    end
    assert.is_true(files >= 12)
  end)

  it("names every action, event and capability, and no others", function()
    local _, output = server:command("scripts names --json")
    local names = assert(cjson.decode(output))
    local function compare(title, pattern, expected)
      local told, known = {}, {}
      for cell in section(title):gsub("\\|", "or"):gmatch("\n| (`[^|]+)|") do
        for name in cell:gmatch(pattern) do
          told[name] = true
        end
      end
      for _, name in ipairs(expected) do
        known[name] = true
      end
      assert.same(known, told, title)
    end
    compare("Actions", "`(%l[%l_.]+)`", names.actions)
    compare("Events", "`(%l[%l_.]+)`", names.events)
    compare("Capabilities", "`(%l[%l_.]+)[({]", names.capabilities)
  end)

  it("tells the limits that hold", function()
    local limits = dofile("config/default.lua").scripts
    local rows = { CPU = "cpu_ms", ["wall clock"] = "wall_ms", calls = "calls", ["of them writes"] = "writes",
      ["requests to other servers"] = "fetches", ["of them at once"] = "fetches_at_once" }
    local seen = 0
    for what, hook, route, event in section("Limits"):gmatch("\n| ([%a ]+) | (%d+)[ ms]* | (%d+)[ ms]* | (%d+)[ ms]* |") do
      local name = assert(rows[what], what)
      assert.same({ limits["hook_" .. name], limits["route_" .. name], limits["event_" .. name] },
        { tonumber(hook), tonumber(route), tonumber(event) }, what)
      seen = seen + 1
    end
    assert.equal(6, seen)
    assert.same({ 128, 64, 8 }, { limits.input_max / 1024, limits.output_max / 1024, limits.log_max / 1024 })
    assert.same({ 8, 20, 2000, 10000 }, { limits.depth_max, limits.failures_max, limits.request_wall_ms,
      limits.background_cpu_ms_per_minute })
  end)
end)

describe("a worked example", function()
  it("runs for its tenant of the demo world, once its owner pushes it", function()
    local api = server.api
    local dispatcher = api:login("dispatcher@campus.example")
    assert.truthy(server:log_text():find("Westbrook University   {owner, dispatcher, tech1}@campus.example", 1, true))
    local code, output = server:command("scripts push --tenant campus --message first")
    assert.equal(0, code, output)
    local made = api:post("/reports", { token = dispatcher.token, json = { title = "Dark stairs",
      category = "other", location = { description = "Library 1.01" } } })
    assert.same({ "library" }, made.json.data.tags, made.body)
    local told = api:get("/x/porters?building=library", { token = dispatcher.token })
    assert.same({ { title = "Dark stairs", place = "Library 1.01" } }, told.json.data.open, told.body)
  end)
end)
