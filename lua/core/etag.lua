-- Entity tags of rows that carry a version: "<version>-<digest of what is shown>". The digest
-- makes If-None-Match right for a detail that embeds other rows; If-Match asks for the version
-- only, since that is what a writer compares under the row's lock.

local crypto = require("core.crypto")
local json = require("core.json")

local M = {}

local DIGEST_BYTES = 8
-- No row has it: an If-Match that is none of our tags never matches.
local NO_VERSION = -1

--- Returns the tag (without quotes) of what is shown of a row of that version.
function M.of(version, shown)
  local digest = crypto.hash("sha256", json.encode(shown, { sorted = true })):sub(1, DIGEST_BYTES)
  return version .. "-" .. crypto.hex(digest)
end

--- Returns the version that the request's If-Match names, or nil when it names none or any.
function M.wanted_version(ctx)
  local header = ctx.req and ctx.req:header("if-match")
  if not header or header:find("^%s*%*%s*$") then
    return nil
  end
  return tonumber(header:match('^%s*W?/?"(%d+)[^"]*"%s*$')) or NO_VERSION
end

return M
