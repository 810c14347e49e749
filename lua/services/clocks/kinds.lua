--- The kinds of clocks that plugins have; see services.clocks.

local registry = require("core.registry")

local M = {}

--- The kind of that name, or nil when no plugin that is loaded has it.
function M.find(name)
  return registry.clocks[name]
end

--- The steps of a clock in order.
function M.steps(ctx, clock)
  local kind = M.find(clock.kind)
  return kind and kind.steps(ctx, clock) or {}
end

return M
