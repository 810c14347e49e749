-- fixxit version

local M = { summary = "Print the version." }

local VERSION = "1.0.0"

function M.run(cx)
  if cx.json then
    cx.print_json({ version = VERSION })
  else
    cx.print("fixxit " .. VERSION)
  end
end

return M
