-- Fields that many answers have, made of the schema language. `optional`: may be left out.

local s = require("core.schema")

local M = {}

function M.id(optional)
  return s.string({ format = "uuid", optional = optional })
end

function M.time(optional)
  return s.string({ format = "date-time", optional = optional })
end

function M.text(optional, describe)
  return s.string({ optional = optional, describe = describe })
end

return M
