-- The processes of scripts as the server runs them: what they hold, what their deaths cost.
local cqueues = require("cqueues")
local exposition = require("tests.support.exposition")
local servers = require("tests.support.server")

local SECRET = "a-secret-of-this-test-that-nobody-else-knows"
local DATA_SECRET = "another-secret-that-seals-personal-data-here"
local MAIL_PASSWORD = "the-password-of-the-mail-server-of-this-test"
local OWN_MAX_KB = 700 -- seen: 588 to 600; the heap of its Lua is about half of it
local RULE = 'before("report.create", function(report) end)\n'

local server, owner

local function within(seconds, check)
  local deadline = cqueues.monotime() + seconds
  repeat
    local result = check()
    if result then
      return result
    end
    cqueues.sleep(0.02)
  until cqueues.monotime() > deadline
end

local function check_scripts()
  return server.api:post("/scripts/check", { token = owner.token, json = {} })
end

local function zygote()
  return server:pids("zygote")[1]
end

local function children(pid)
  local pids = {}
  for child in (servers.read_file(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch("%d+") do
    pids[#pids + 1] = tonumber(child)
  end
  return pids
end

local function status(pid, name)
  return servers.read_file("/proc/" .. pid .. "/status"):match("\n" .. name .. ":%s*([^\n]*)")
end

local function sanitized(pid)
  return servers.read_file("/proc/" .. pid .. "/maps"):find("libasan", 1, true)
end

setup(function()
  server = servers.start({ env = {
    JWT_SECRET = SECRET, FIXXIT_AUTH_DATA_SECRET = DATA_SECRET, SMTP_PASS = MAIL_PASSWORD,
    FIXXIT_SERVER_WORKERS = 1,
  } })
  server:master()
  owner = server.api:login("owner@riverton.example")
  assert.is_true(server.api:request("PUT", "/scripts/draft/rules/x.lua", {
    token = owner.token, json = { content = RULE },
  }).status < 300)
  assert.equal(200, check_scripts().status)
end)

teardown(function()
  server:stop()
end)

describe("a process of scripts", function()
  it("is jailed: nobody, no privileges, no files but its sockets, nothing of the server's environment", function()
    local pid = assert(children(zygote())[1])
    for _, each in ipairs({ pid, zygote() }) do
      assert.equal("2", status(each, "Seccomp"))
      assert.equal("1", status(each, "NoNewPrivs"))
      assert.equal("GLIBC_TUNABLES=glibc.malloc.tcache_count=0\0",
        servers.read_file("/proc/" .. each .. "/environ"))
      assert.equal("500\n", servers.read_file("/proc/" .. each .. "/oom_score_adj"))
    end
    assert.equal("1", status(pid, "Threads"))
    if sanitized(pid) then
      return -- it keeps standard error for what it finds, and needs terabytes of addresses
    end
    local _, files = servers.shell("ls -l /proc/" .. pid .. "/fd")
    for number, target in files:gmatch("(%d+) %-> ([^\n]+)") do
      assert.matches(tonumber(number) < 3 and "^/dev/null$" or "^socket:", target)
    end
    local limits = servers.read_file("/proc/" .. pid .. "/limits")
    assert.matches("Max core file size%s+0%s", limits)
    assert.matches("Max file size%s+0%s", limits)
    assert.not_matches("Max data size%s+unlimited", limits)
  end)

  it("costs little memory", function()
    local pid = assert(children(zygote())[1])
    if not sanitized(pid) then
      local text = servers.read_file("/proc/" .. pid .. "/smaps_rollup")
      local own_kb = tonumber(text:match("Private_Dirty:%s+(%d+)"))
      assert.is_true(own_kb < OWN_MAX_KB, own_kb .. " KB")
    end
  end)

  it("holds no secret of the server in its memory", function()
    -- gcore's way, by hand: all that it may write to, searched for what the server was started with
    local search = [[
      for pid in %s; do
        while read -r range flags rest; do
          case "$flags" in rw*) ;; *) continue ;; esac
          from=$((0x${range%%-*})); to=$((0x${range#*-}))
          dd if=/proc/$pid/mem bs=4096 skip=$((from / 4096)) count=$(((to - from) / 4096)) 2>/dev/null
        done < /proc/$pid/maps
      done | grep -a -o -F -e %s -e %s -e %s -e %s | sort | uniq -c]]
    local function found_in(pids)
      local _, output = servers.shell(search:format(table.concat(pids, " "), SECRET, DATA_SECRET,
        MAIL_PASSWORD, server.data .. "/run/mariadb.sock"))
      return output
    end
    local _, id = servers.shell("id -u")
    if tonumber(id) ~= 0 or sanitized(zygote()) then
      return -- only root may look, and not at terabytes
    end
    local pids = children(zygote())
    pids[#pids + 1] = zygote()
    assert.equal("", found_in(pids))
    assert.matches(SECRET, found_in(server:pids("http")), 1, true) -- it finds what is there
  end)

  it("is replaced when it is killed, and so is the zygote", function()
    local before = zygote()
    for _, pid in ipairs(children(before)) do
      servers.shell("kill -SEGV " .. pid) -- as a hole in LuaJIT would
    end
    assert.truthy(within(5, function()
      return check_scripts().status == 200
    end))
    assert.truthy(within(5, function()
      return server:log_text():find("was killed by signal 11", 1, true)
    end))
    local orphans = children(before)
    servers.shell("kill -KILL " .. before)
    assert.truthy(within(10, function()
      return check_scripts().status == 200
    end))
    assert.are_not.equal(before, zygote())
    for _, pid in ipairs(orphans) do -- they died with it
      assert.truthy(within(5, function()
        return not servers.read_file("/proc/" .. pid .. "/cmdline")
      end))
    end
  end)

  it("is counted", function()
    assert.truthy(within(5, function()
      local text = server.api:get("/metrics", { root = true }).body
      local samples = exposition.parse(text)
      return exposition.value(samples, "fixxit_sandbox_processes") == #children(zygote())
        and exposition.value(samples, "fixxit_process_restarts_total", { kind = "zygote" }) == 1
    end))
  end)

  it("makes way for those of a newer binary", function()
    local before = zygote()
    servers.shell("kill -USR2 " .. server:master())
    assert.truthy(within(20, function()
      local pids = server:pids("zygote")
      return #pids == 1 and pids[1] ~= before
    end))
    assert.equal(200, check_scripts().status)
    assert.is_nil(servers.read_file("/proc/" .. before .. "/cmdline"))
  end)
end)
