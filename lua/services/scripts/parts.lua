--- The text of a release as the sandbox is given it: a catalogue of what the platform offers, the
-- prelude, the author's files. See prelude/README.md.

local crypto = require("core.crypto")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local registry = require("core.registry")
local sys = require("core.sys")
local actions = require("services.scripts.actions")

local M = {}

--- The chunks of the prelude, in order.
M.PRELUDE = { "env", "values", "clock", "geo", "calls", "hooks", "run" }

local FOLDER = "/lua/services/scripts/prelude/"
local CHUNK_MAX = 65536
local ID_DIGITS = 13 -- of hex: 52 bits, exact as a number
local SORTED = { sorted = true }

local common, common_digest -- the parts before the author's files, once read

local function sorted_keys(set)
  local list = json.array({})
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local function capabilities()
  local list = json.array({})
  for i, name in ipairs(sorted_keys(registry.capabilities)) do
    local entry = registry.capabilities[name]
    list[i] = { name = name, writes = entry.writes, outside = entry.outside,
      parameters = entry.parameters and json.array(entry.parameters) }
  end
  return list
end

-- JSON inside a Lua string: between long brackets, which JSON text cannot end.
local function catalogue()
  local text = json.encode({ events = sorted_keys(registry.emits),
    actions = actions.names(), capabilities = capabilities() }, SORTED)
  return ("local sandbox = ...\nsandbox.catalogue = sandbox.json_decode([=====[%s]=====])")
    :format(text)
end

local function chunk(name)
  local text = errors.check(fs.read_now(sys.root() .. FOLDER .. name .. ".lua", CHUNK_MAX))
  return { name = "prelude/" .. name .. ".lua", text = text, prelude = true }
end

-- Stands for exactly what `before` stands for and these parts from the nth on.
local function digest_of(before, parts, n)
  local texts = { before }
  for i = n, #parts do
    local part = parts[i]
    texts[#texts + 1] = ("%s %d\n%s"):format(part.name, #part.text, part.text)
  end
  return crypto.hash("sha256", table.concat(texts, "\n"))
end

-- Read once per generation: a save makes a new one.
local function common_parts()
  if not common then
    local parts = { { name = "prelude/catalogue.lua", text = catalogue(), prelude = true } }
    for _, name in ipairs(M.PRELUDE) do
      parts[#parts + 1] = chunk(name)
    end
    common, common_digest = parts, digest_of("", parts, 1)
  end
  return common, common_digest
end

--- The parts of a release and a number that stands for exactly these texts: the same files have
-- the same number in every worker, under whatever release they are.
-- @param files array of {path, content}; what is not Lua is left out
-- @param chunks names of further chunks of the prelude, or nil
-- @return number, parts
function M.of(files, chunks)
  local before, digest = common_parts()
  local parts = { unpack(before) }
  for _, name in ipairs(chunks or {}) do
    parts[#parts + 1] = chunk(name)
  end
  local own = {}
  for _, file in ipairs(files) do
    if file.path:find("%.lua$") then
      own[#own + 1] = { name = file.path, text = file.content }
    end
  end
  table.sort(own, function(a, b) return a.name < b.name end)
  for _, part in ipairs(own) do
    parts[#parts + 1] = part
  end
  digest = crypto.hex(digest_of(digest, parts, #before + 1))
  return tonumber(digest:sub(1, ID_DIGITS), 16), parts
end

local ids = setmetatable({}, { __mode = "k" }) -- release -> its number

--- A release as services.scripts.process takes it. Its files are read when they are needed: before
-- its first run here, and when a process does not have it.
-- @param release any table that stands for it as long as it lives
-- @param read function() -> its files
function M.release(release, read)
  local texts
  if not ids[release] then
    ids[release], texts = M.of(read())
  end
  return {
    id = ids[release],
    texts = function()
      return texts or select(2, M.of(read()))
    end,
  }
end

return M
