--- W3C Trace Context: which larger doing a request is a part of. The log shows its id.

local uuid = require("core.uuid")

local M = {}

local HEADER = "^(%x%x)%-(%x+)%-(%x+)%-(%x%x)(.*)$"
local TRACE_LEN, PARENT_LEN = 32, 16

local function is_id(text, len)
  return #text == len and not text:find("%u") and text:find("[^0]") ~= nil
end

--- The trace's id out of a `traceparent` header, or a new one when there is none that is valid.
-- A later version may have more fields behind those of version 00.
function M.id_of(header)
  if header then
    local version, trace, parent, flags, rest = header:match(HEADER)
    if version and version ~= "ff" and not (version .. flags):find("%u")
      and is_id(trace, TRACE_LEN) and is_id(parent, PARENT_LEN)
      and (rest == "" or version ~= "00" and rest:sub(1, 1) == "-") then
      return trace
    end
  end
  return (uuid.v7():gsub("-", ""))
end

return M
