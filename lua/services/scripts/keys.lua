--- What tells a hook from all others, over releases: the first, second... of its kind and name in
--- its file.

local M = {}

--- Gives declared hooks their keys. @return the same hooks
function M.give(hooks)
  local ordinals = {}
  for _, hook in ipairs(hooks) do
    local what = table.concat({ hook.file, hook.kind, hook.name }, ":")
    ordinals[what] = (ordinals[what] or 0) + 1
    hook.key = what .. ":" .. ordinals[what]
  end
  return hooks
end

return M
