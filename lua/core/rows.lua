-- Rows as stores hand them out: what a column holds as JSON text is a value.

local json = require("core.json")

local M = {}

--- Returns decode(row) -> row, where nil stays nil, and decode_all(rows) -> rows. Both change the
-- rows in place.
-- @param columns names of the columns that hold JSON
-- @param finish function(row), or nil: what else belongs into each row
function M.decoder(columns, finish)
  local function decode(row)
    if row then
      for _, column in ipairs(columns) do
        row[column] = json.decode(row[column])
      end
      if finish then
        finish(row)
      end
    end
    return row
  end

  local function decode_all(rows)
    for _, row in ipairs(rows) do
      decode(row)
    end
    return rows
  end

  return decode, decode_all
end

return M
