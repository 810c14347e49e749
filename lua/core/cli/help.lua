-- fixxit help: what there is.

local cli = require("core.cli")

local M = { summary = "This list, or the help of a command.", usage = "[COMMAND]" }

function M.run(cx)
  cx.print(cli.help(cx.args[1]))
end

return M
