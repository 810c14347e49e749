--- HTTP of releases, and of switching files off.

local etag = require("core.etag")
local reply = require("core.reply")
local compare = require("services.scripts.compare")
local releases = require("services.scripts.releases")
local schema = require("services.scripts.schema")
local switches = require("services.scripts.switches")

local URL = "/api/v1/scripts/releases/"
local SWITCHED = { [200] = "so it is", [400] = "no path of a script", [404] = "no such file" }

local function detail(shown)
  return reply.ok(shown, { etag = etag.of_shown(shown) })
end

return {
  { method = "POST", path = "/scripts/publish", summary = "Publish the draft: it runs everywhere "
      .. "within a second, or for a share as a canary.",
    permission = "scripts.publish", body = schema.publication, returns = schema.RELEASE,
    versioned = true,
    answers = { [201] = "published", [409] = "the draft or what runs was changed meanwhile",
      [412] = "another draft than If-Match names",
      [422] = "the draft does not check; the problems are in details" },
    handler = function(ctx, input)
      local release, tag = releases.publish(ctx, input.body)
      return reply.created(URL .. release.release, release, { etag = tag })
    end },
  { method = "POST", path = "/scripts/rollback", summary = "Run an earlier release again; this "
      .. "ends a canary, or makes it the active release.",
    permission = "scripts.publish", body = schema.rollback, returns = schema.RELEASE,
    answers = { [200] = "it runs", [404] = "no such release",
      [409] = "it runs already; or it was taken back, and force is not said" },
    handler = function(ctx, input)
      return reply.ok(releases.rollback(ctx, input.body))
    end },
  { method = "GET", path = "/scripts/releases", summary = "The releases, the newest first.",
    permission = "scripts.read", query = schema.list,
    returns = schema.RELEASES,
    handler = function(ctx, input)
      local list, meta = releases.list(ctx, input.query)
      return reply.ok(list, { meta = meta })
    end },
  { method = "GET", path = "/scripts/releases/:release", summary = "A release, with its files and "
      .. "what they declare.",
    permission = "scripts.read", params = schema.release, returns = schema.RELEASE_DETAIL,
    versioned = true,
    answers = { [200] = "the release", [404] = "no such release" },
    handler = function(ctx, input)
      return detail(releases.show(ctx, input.params.release))
    end },
  { method = "GET", path = "/scripts/releases/:release/diff", summary = "What a release changed.",
    permission = "scripts.read", params = schema.release, query = schema.diff,
    returns = schema.DIFF, versioned = true,
    answers = { [200] = "the files that differ", [404] = "no such release" },
    handler = function(ctx, input)
      return detail({ files = compare.releases(ctx, input.params.release, input.query.from) })
    end },
  { method = "POST", path = "/scripts/files/*path/disable", summary = "Switch a file off, whatever "
      .. "release runs.",
    permission = "scripts.publish", body = schema.reason, returns = schema.SWITCH,
    answers = SWITCHED,
    handler = function(ctx, input)
      switches.disable(ctx, input.params.path, { reason = input.body.reason })
      return reply.ok({ path = input.params.path, enabled = false })
    end },
  { method = "POST", path = "/scripts/files/*path/enable", summary = "Switch a file on again, with "
      .. "all its handlers.",
    permission = "scripts.publish", body = schema.nothing, returns = schema.SWITCH,
    answers = SWITCHED,
    handler = function(ctx, input)
      switches.enable(ctx, input.params.path)
      return reply.ok({ path = input.params.path, enabled = true })
    end },
}
