--- A real file system of a few megabytes for the files of a server: uploads, contents, thumbnails,
-- generations, and what else is put into its folder. It is mounted in a name space of the server's own, for which nobody has
-- to be root, and goes with it.
local M = {}

local FOLDERS = { "files", "tmp", "cache", "run/generations" }

local Disk = {}
Disk.__index = Disk

--- Prepares a data folder whose folders of files will lie on the small disk.
-- @param shell function(command) -> exit code, output
-- @return disk
function M.new(shell, data, megabytes)
  local self = setmetatable({ shell = shell, data = data, megabytes = megabytes }, Disk)
  shell(("mkdir -p %s/small %s/seed"):format(data, data))
  for _, name in ipairs(FOLDERS) do
    local code, output = shell(("mkdir -p $(dirname %s/seed/%s) %s/%s && mv %s/%s %s/seed/%s && ln -s %s/small/%s %s/%s")
      :format(data, name, data, name, data, name, data, name, data, name, data, name))
    assert(code == 0, output)
  end
  return self
end

--- The words before the command of a server that is to have it.
function Disk:wrap(command)
  local _, id = self.shell("id -u")
  return ("unshare %s sh -c 'mount -t tmpfs -o size=%dm none %s/small && cp -a %s/seed/. %s/small/ && exec %s'")
    :format(tonumber(id) == 0 and "-m" or "-rm", self.megabytes, self.data, self.data, self.data, command)
end

--- Where it is seen from outside. @param pid of the server
function Disk:mounted(pid)
  self.folder = ("/proc/%d/root%s/small"):format(pid, self.data)
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
