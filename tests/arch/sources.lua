--- Reads the tree's sources for the architecture specs.
local M = {}

--- Paths of tracked or new files below `folder` that end in `ending`.
function M.files(folder, ending)
  local found = {}
  local pipe = assert(io.popen("find " .. folder .. " -type f -name '*" .. ending .. "' | sort"))
  for path in pipe:lines() do
    found[#found + 1] = path
  end
  pipe:close()
  return found
end

function M.read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

--- The text without comments, so that prose about a rule does not break it.
function M.code(path)
  local text = M.read(path)
  if path:match("%.lua$") then
    text = text:gsub("%-%-%[%[.-%]%]", ""):gsub("%-%-[^\n]*", "")
  else
    text = text:gsub("/%*.-%*/", ""):gsub("//[^\n]*", "")
  end
  return text
end

--- Names in require("...") of a Lua file.
function M.requires(path)
  local names = {}
  for name in M.code(path):gmatch("require%s*%(?%s*[\"']([%w_%.%-]+)[\"']") do
    names[#names + 1] = name
  end
  return names
end

--- Names in #include "..." and <...> of a C file.
function M.includes(path)
  local names = {}
  for name in M.read(path):gmatch('#include%s*[<"]([^>"]+)[>"]') do
    names[#names + 1] = name
  end
  return names
end

return M
