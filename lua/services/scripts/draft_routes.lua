--- HTTP of the draft: its files one by one, and whether it can be published.

local reply = require("core.reply")
local check = require("services.scripts.check")
local drafts = require("services.scripts.drafts")
local overview = require("services.scripts.overview")
local schema = require("services.scripts.schema")

local URL = "/api/v1/scripts/draft/"
local BODY_MAX = 524288 -- of 64 KiB in JSON, where a byte may take six
local TEXT = { ["text/x-lua"] = "content", ["text/plain"] = "content" }
local PATH = { [400] = "no path of a script" }

local function with(meanings)
  for status, meaning in pairs(PATH) do
    meanings[status] = meaning
  end
  return meanings
end

-- Whether the text itself is asked for rather than JSON.
local function wants_text(ctx)
  local accept = ctx.req:header("accept") or ""
  return accept:find("text/plain", 1, true) ~= nil
    and not accept:find("application/json", 1, true)
end

return {
  { method = "GET", path = "/scripts", summary = "The draft, what runs, what is switched off, and "
      .. "the names of the secrets.",
    permission = "scripts.read", returns = schema.OVERVIEW, versioned = true,
    answers = { [200] = "everything at a glance; the tag is the draft's" },
    handler = function(ctx)
      local data, tag = overview.get(ctx)
      return reply.ok(data, { etag = tag })
    end },
  { method = "GET", path = "/scripts/draft/*path", summary = "A file of the draft, as JSON or as "
      .. "its text.",
    permission = "scripts.read", returns = schema.FILE, versioned = true,
    content = { type = "text/plain", schema = schema.TEXT },
    answers = with({ [200] = "the file; its text alone with Accept: text/plain",
      [404] = "no such file" }),
    handler = function(ctx, input)
      local file, tag = drafts.get(ctx, input.params.path)
      if wants_text(ctx) then
        local answer = reply.raw(200, { ["Content-Type"] = "text/plain; charset=utf-8",
          ["Vary"] = "Accept" }, file.content)
        answer.etag = tag
        return answer
      end
      return reply.ok(file, { etag = tag, headers = { ["Vary"] = "Accept" } })
    end },
  { method = "PUT", path = "/scripts/draft/*path", summary = "Write a file of the draft.",
    permission = "scripts.write", body = schema.content, text = TEXT, max_body = BODY_MAX,
    returns = schema.FILE, versioned = true,
    answers = with({ [200] = "written", [201] = "made", [412] = "changed in the meantime" }),
    handler = function(ctx, input)
      local path = input.params.path
      local file, tag, is_new = drafts.put(ctx, path, input.body.content)
      if is_new then
        return reply.created(URL .. path, file, { etag = tag })
      end
      return reply.ok(file, { etag = tag })
    end },
  { method = "DELETE", path = "/scripts/draft/*path", summary = "Remove a file from the draft.",
    permission = "scripts.write", returns = false, versioned = true,
    answers = with({ [200] = "removed", [404] = "no such file",
      [412] = "changed in the meantime" }),
    handler = function(ctx, input)
      drafts.delete(ctx, input.params.path)
      return reply.ok(nil)
    end },
  { method = "POST", path = "/scripts/check", summary = "Check the draft: does it compile, are all "
      .. "names known, what does it declare.",
    permission = "scripts.write", body = schema.nothing, returns = schema.CHECK,
    answers = { [200] = "what was found; ok when it can be published" },
    handler = function(ctx)
      local result = check.run(ctx, drafts.read(ctx).files)
      result.declared = nil
      return reply.ok(result)
    end },
}
