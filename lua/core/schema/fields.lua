-- Fields that many answers have, made of the schema language. `optional`: may be left out.

local s = require("core.schema")

local M = {}

function M.id(optional)
  return s.string({ format = "uuid", optional = optional })
end

function M.time(optional)
  return s.string({ format = "date-time", optional = optional })
end

--- The name of a time zone; whether there is such a one, core.zone checks.
function M.timezone(nullable)
  return s.string({ pattern = "^%a[%w_+/-]*$", max = 64, optional = true, nullable = nullable,
    describe = "a name of the time zone database like Europe/Rome" })
end

function M.text(optional, describe)
  return s.string({ optional = optional, describe = describe })
end

return M
