--- A real file system with little room, for the files of a process. It is mounted in a name space of
-- the process's own, for which nobody has to be root, and goes with it.
local M = {}

-- Of a server: uploads, contents, thumbnails, generations.
local SERVER_FOLDERS = { "files", "tmp", "cache", "run/generations" }

local Disk = {}
Disk.__index = Disk

--- A disk to be mounted at `folder`, with what lies in `seed`, and so many megabytes of room.
-- @param shell function(command) -> exit code, output
function M.new(shell, folder, seed, room_mb)
  local code, output = shell(("mkdir -p %s && du -sm %s"):format(folder, seed))
  assert(code == 0, output)
  return setmetatable({ shell = shell, place = folder, seed = seed,
    size_mb = tonumber(output:match("^%d+")) + room_mb }, Disk)
end

--- The same for those folders of a server that hold files; what else is to lie there is put below
-- "small" in its data folder.
function M.for_server(shell, data, room_mb)
  for _, name in ipairs(SERVER_FOLDERS) do
    local code, output = shell(("mkdir -p $(dirname %s/seed/%s) %s/%s && mv %s/%s %s/seed/%s && ln -s %s/small/%s %s/%s")
      :format(data, name, data, name, data, name, data, name, data, name, data, name))
    assert(code == 0, output)
  end
  return M.new(shell, data .. "/small", data .. "/seed", room_mb)
end

--- The command of a process that is to have it, made of its own command.
function Disk:wrap(command)
  local _, id = self.shell("id -u")
  return ("unshare %s sh -c 'mount -t tmpfs -o size=%dm none %s && cp -a %s/. %s/ && exec %s'"):format(
    tonumber(id) == 0 and "-m" or "-rm", self.size_mb, self.place, self.seed, self.place, command)
end

--- Notes where it is seen from outside. @param pid of the process
function Disk:mounted(pid)
  self.folder = ("/proc/%d/root%s"):format(pid, self.place)
end

local function run(disk, format, ...)
  local code, output = disk.shell(format:format(...))
  assert(code == 0, output)
  return output
end

--- Fills it but for so many bytes (whole pages of 4096).
function Disk:fill(free)
  self.shell(("dd if=/dev/zero of=%s/ballast bs=4096 2>/dev/null"):format(self.folder))
  if free > 0 then
    run(self, "truncate -s -%d %s/ballast", free, self.folder)
  end
end

--- Makes room again.
function Disk:empty()
  run(self, "rm -f %s/ballast", self.folder)
end

--- Names of all files in its folders, sorted, one a line.
function Disk:files(folders)
  return run(self, "cd %s && find %s -type f | sort", self.folder, folders)
end

return M
