-- The inside of fixxit test: servers, migrations, then busted in this very task, so that specs
-- can call what waits.

local companions = require("core.companions")
local config = require("core.config")
local fs = require("core.fs")
local migrate = require("core.migrate")
local plugin = require("core.plugin")
local private_servers = require("core.private_servers")
local sys = require("core.sys")

local M = { summary = "Run specs in this process.", raw_words = true }

-- Unique: what busted's exit is turned into.
local EXIT = {}

local function default_paths()
  local paths = {}
  local function add(path)
    if fs.stat(sys.root() .. "/" .. path) then
      paths[#paths + 1] = path
    end
  end
  add("tests/lua")
  for _, module in ipairs(plugin.manifests()) do
    add(module.folder .. "/tests")
  end
  return paths
end

local function has_path(words)
  for _, word in ipairs(words) do
    if word:sub(1, 1) ~= "-" then
      return true
    end
  end
  return false
end

-- busted ends the process when a spec fails; here it only ends its run.
local function run_busted(words)
  local compatibility = require("busted.compatibility")
  compatibility.exit = function(code)
    error({ exit = EXIT, code = code }, 0)
  end
  _G.arg = { [0] = "fixxit test" }
  for i, word in ipairs(words) do
    _G.arg[i] = word
  end
  local ok, err = pcall(require("busted.runner"), { standalone = false })
  if ok then
    return 0
  elseif type(err) == "table" and err.exit == EXIT then
    return err.code == 0 and 0 or 1
  end
  error(err, 0)
end

function M.run(cx)
  if config.get().env ~= "test" then
    error("specs run in the environment 'test'", 0)
  end
  local words = cx.args
  if not has_path(words) then
    for _, path in ipairs(default_paths()) do
      words[#words + 1] = path
    end
  end
  local servers = private_servers.start({ durable = false })
  local scripts = companions.start("scripts")
  local ok, result = pcall(function()
    migrate.up()
    return run_busted(words)
  end)
  companions.stop(scripts)
  servers:stop()
  if not ok then
    error(result, 0)
  end
  return result
end

return M
