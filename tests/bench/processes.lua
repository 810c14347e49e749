--- Programs under measurement: starts them, reads what they have used, ends them.
--
-- They end with this process, whatever ends it. CPU time is user + system of a process, of all
-- that descend from it, and of their children that have ended: nothing a server does escapes it.
local ffi = require("ffi")

ffi.cdef([[
typedef struct { long seconds, nanoseconds; } bench_time;
int fork(void);
int execvp(const char *file, char *const argv[]);
int prctl(int what, unsigned long value);
int open(const char *path, int flags, int mode);
int dup2(int from, int to);
int setenv(const char *name, const char *value, int over);
int waitpid(int pid, int *status, int options);
int kill(int pid, int signal);
int usleep(unsigned us);
int clock_gettime(int clock, bench_time *t);
long sysconf(int name);
void _exit(int code);
]])

local C = ffi.C
local M = {}

local PDEATHSIG, TERM, KILL, NOHANG, MONOTONIC, CLK_TCK = 1, 15, 9, 1, 1, 2
local O_APPEND_CREATE = 0x441 -- O_WRONLY | O_CREAT | O_APPEND
local US_PER_TICK = 1e6 / tonumber(C.sysconf(CLK_TCK))
local STOP_S = 20

--- Seconds of a clock that only goes forward.
function M.now()
  local t = ffi.new("bench_time")
  C.clock_gettime(MONOTONIC, t)
  return tonumber(t.seconds) + tonumber(t.nanoseconds) / 1e9
end

function M.sleep(seconds)
  C.usleep(seconds * 1e6)
end

--- Calls check() until it returns something true. @return that; raises after `seconds`
function M.await(what, seconds, check)
  local deadline = M.now() + seconds
  while true do
    local result = check()
    if result then
      return result
    end
    if M.now() > deadline then
      error(what .. " did not happen within " .. seconds .. " s", 0)
    end
    M.sleep(0.002)
  end
end

function M.read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end

--- Runs a shell command to its end. @return its output; raises when it fails
function M.shell(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo \" $?\""))
  local text, code = pipe:read("*a"):match("^(.*) (%d+)\n$")
  pipe:close()
  if code ~= "0" then
    error(("%s\nended with %s: %s"):format(command, code, text), 0)
  end
  return text
end

--- Starts a program.
-- @param argv its words
-- @param options env {NAME = text}, log (path that takes its output)
-- @return its pid
function M.spawn(argv, options)
  local words = ffi.new("const char *[?]", #argv + 1)
  for i, word in ipairs(argv) do
    words[i - 1] = word
  end
  local log = options.log or "/dev/null"
  local pid = C.fork()
  if pid ~= 0 then
    assert(pid > 0, "fork")
    return pid
  end
  C.prctl(PDEATHSIG, ffi.cast("unsigned long", TERM))
  local output = C.open(log, O_APPEND_CREATE, 420)
  C.dup2(output, 1)
  C.dup2(output, 2)
  for name, value in pairs(options.env or {}) do
    C.setenv(name, tostring(value), 1)
  end
  C.execvp(argv[1], ffi.cast("char *const *", words))
  C._exit(127)
end

--- Whether it has ended.
function M.has_ended(pid)
  return C.waitpid(pid, nil, NOHANG) ~= 0
end

--- Ends it and waits until it is gone.
function M.stop(pid)
  C.kill(pid, TERM)
  local deadline = M.now() + STOP_S
  while not M.has_ended(pid) do
    if M.now() > deadline then
      C.kill(pid, KILL)
    end
    M.sleep(0.01)
  end
end

local function add_family(pid, list)
  list[#list + 1] = pid
  local children = M.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
  for child in children:gmatch("%d+") do
    add_family(tonumber(child), list)
  end
  return list
end

--- The process and all that descend from it.
function M.family(pid)
  return add_family(pid, {})
end

-- The fields of a stat file by their numbers in proc(5), from the 3rd on: the 2nd is a name in
-- parentheses, which may hold anything.
local function stat_of(path)
  local fields, place = {}, 2
  for field in ((M.read(path) or ""):match("^.*%) (.*)$") or ""):gmatch("%S+") do
    place = place + 1
    fields[place] = tonumber(field)
  end
  return fields
end

local UTIME, STIME, CHILDREN_UTIME, CHILDREN_STIME, NICE = 14, 15, 16, 17, 19

--- Microseconds of CPU that the family has used.
function M.cpu_us(pid)
  local ticks = 0
  for _, member in ipairs(M.family(pid)) do
    local stat = stat_of("/proc/" .. member .. "/stat")
    for _, place in ipairs({ UTIME, STIME, CHILDREN_UTIME, CHILDREN_STIME }) do
      ticks = ticks + (stat[place] or 0)
    end
  end
  return ticks * US_PER_TICK
end

local function thread_ids(pid)
  local list = {}
  local pipe = io.popen("ls /proc/" .. pid .. "/task 2>/dev/null")
  for thread in pipe:lines() do
    list[#list + 1] = thread
  end
  pipe:close()
  return list
end

local function threads_of(pid)
  local list = {}
  for i, thread in ipairs(thread_ids(pid)) do
    list[i] = stat_of(("/proc/%d/task/%s/stat"):format(pid, thread))
  end
  return list
end

--- Microseconds of CPU of the family's threads that live, without those of lower priority (which
-- hash passwords), and of those alone.
function M.cpu_by_priority_us(pid)
  local normal, lower = 0, 0
  for _, member in ipairs(M.family(pid)) do
    for _, stat in ipairs(threads_of(member)) do
      local ticks = (stat[UTIME] or 0) + (stat[STIME] or 0)
      if (stat[NICE] or 0) > 0 then
        lower = lower + ticks
      else
        normal = normal + ticks
      end
    end
  end
  return normal * US_PER_TICK, lower * US_PER_TICK
end

--- Microseconds of CPU that a process's threads which live have used, to the nanosecond.
function M.cpu_of_us(pid)
  local us = 0
  for _, thread in ipairs(thread_ids(pid)) do
    local text = M.read(("/proc/%d/task/%s/schedstat"):format(pid, thread)) or ""
    us = us + (tonumber(text:match("^%d+")) or 0) / 1000
  end
  return us
end

--- Those of the family that bear a name.
function M.named(pid, name)
  local found = {}
  for _, member in ipairs(M.family(pid)) do
    if M.read("/proc/" .. member .. "/comm") == name .. "\n" then
      found[#found + 1] = member
    end
  end
  return found
end

-- Ticks of all processors: in all, and those in which they had nothing to do.
local function ticks()
  local all, idle, place = 0, 0, 0
  for value in M.read("/proc/stat"):match("^cpu ([^\n]+)"):gmatch("%d+") do
    place = place + 1
    all = all + (place <= 8 and tonumber(value) or 0) -- guests' are among the users'
    idle = idle + ((place == 4 or place == 5) and tonumber(value) or 0)
  end
  return all, idle
end

--- Begins to count. @return function() -> the share of time that the processors were busy since
function M.busy()
  local all, idle = ticks()
  return function()
    local all_now, idle_now = ticks()
    return 1 - (idle_now - idle) / math.max(1, all_now - all)
  end
end

local function sum_of(pids, name)
  local bytes = 0
  for _, pid in ipairs(pids) do
    local text = M.read("/proc/" .. pid .. "/smaps_rollup") or ""
    bytes = bytes + (tonumber(text:match("\n" .. name .. ":%s*(%d+) kB")) or 0) * 1024
  end
  return bytes
end

--- Bytes of memory of these processes, shared pages counted once: their proportional set size.
function M.pss(pids)
  return sum_of(pids, "Pss")
end

--- Bytes that are resident, shared pages counted in each.
function M.rss(pids)
  return sum_of(pids, "Rss")
end

return M
