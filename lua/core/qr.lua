-- QR codes as SVG.

local host = require("host.qr")
local errors = require("core.errors")

local M = {}

local MARGIN = 4 -- modules around the symbol (ISO 18004)

--- The code of a text, as an SVG document that scales.
function M.svg(text)
  local symbol = errors.check(host.encode(text))
  local size, modules = symbol.size, symbol.modules
  local path = {}
  for y = 0, size - 1 do
    local row = modules:sub(y * size + 1, (y + 1) * size)
    for from, to in row:gmatch("()1+()") do
      path[#path + 1] = ("M%d %dh%dv1h-%dz"):format(from - 1 + MARGIN, y + MARGIN, to - from,
        to - from)
    end
  end
  local side = size + 2 * MARGIN
  return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" '
    .. 'aria-label="QR code" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/>'
    .. '<path d="%s"/></svg>'):format(side, side, side, side, table.concat(path))
end

return M
