-- Entity tags of rows that carry a version: "<version>-<digest of what is shown>". The digest
-- makes If-None-Match right for a detail that embeds other rows; If-Match asks for the version
-- only, since that is what a writer compares under the row's lock.

local conditions = require("core.conditions")
local crypto = require("core.crypto")
local errors = require("core.errors")
local json = require("core.json")

local M = {}

local DIGEST_BYTES = 8
local SORTED = { sorted = true }

local function digest_of_text(text)
  return crypto.digest("sha256", text, DIGEST_BYTES)
end

local function digest(shown)
  return digest_of_text(json.encode(shown, SORTED))
end

--- Returns the tag of a JSON text, or of what json.raw made of several, of a row of that version or
-- of something that has none. Equal states must have equal texts.
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

--- Returns the versions that the request's If-Match names as a set, or nil when it names none or
-- any. What is none of our tags adds nothing, nor does a weak one: no row is of those.
function M.wanted_versions(ctx)
  local header = ctx.req and ctx.req:header("if-match")
  if not header or header:find("^%s*%*%s*$") then
    return nil
  end
  local versions = {}
  for weak, tag in conditions.tags(header) do
    local version = weak == "" and tonumber(tag:match("^%d+"))
    if version then
      versions[version] = true
    end
  end
  return versions
end

--- Raises 412 when a row is of none of the wanted versions.
-- @param what the row is: "The report"
function M.require_version(wanted, version, what)
  if wanted and not wanted[version] then
    errors.raise("PRECONDITION_FAILED", what .. " has changed since you read it")
  end
end

return M
