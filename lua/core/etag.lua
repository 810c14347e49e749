-- Entity tags of rows that carry a version: "<version>-<digest of what is shown>". The digest
-- makes If-None-Match right for a detail that embeds other rows; If-Match asks for the version
-- only, since that is what a writer compares under the row's lock.

local crypto = require("core.crypto")
local json = require("core.json")

local M = {}

local DIGEST_BYTES = 8
-- No row has it: an If-Match that is none of our tags never matches.
local NO_VERSION = -1

local SORTED = { sorted = true }

local function digest_of_text(text)
  return crypto.digest("sha256", text, DIGEST_BYTES)
end

local function digest(shown)
  return digest_of_text(json.encode(shown, SORTED))
end

--- Returns the tag of a JSON text, of a row of that version or of something that has none. Equal
-- states must have equal texts.
function M.of_text(text, version)
  local tag = digest_of_text(text)
  return version and version .. "-" .. tag or tag
end

--- Returns the tag (without quotes) of what is shown of a row of that version.
function M.of(version, shown)
  return version .. "-" .. digest(shown)
end

--- Returns the tag of what is shown of something that has no version.
M.of_shown = digest

--- Returns the version that the request's If-Match names, or nil when it names none or any.
function M.wanted_version(ctx)
  local header = ctx.req and ctx.req:header("if-match")
  if not header or header:find("^%s*%*%s*$") then
    return nil
  end
  local tag = header:match('^%s*W?/?"([^"]*)"%s*$') or ""
  return tonumber(tag:match("^%d+")) or NO_VERSION
end

return M
