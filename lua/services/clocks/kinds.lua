--- The kinds of clocks that plugins have; see services.clocks.

local registry = require("core.registry")

local M = {}

--- The kind of that name, or nil when no plugin that is loaded has it.
function M.find(name)
  return registry.clocks[name]
end

local slow -- once the modules are loaded, they stay

--- The names of the kinds whose steps have something to prepare, which may take long.
function M.slow()
  if not slow then
    slow = {}
    for name, kind in pairs(registry.clocks) do
      slow[#slow + 1] = kind.prepare and name or nil
    end
  end
  return slow
end

--- The steps of a clock in order.
function M.steps(ctx, clock)
  local kind = M.find(clock.kind)
  return kind and kind.steps(ctx, clock) or {}
end

return M
