-- Who does what for which tenant: the first argument of every service function, of a request, a
-- job, a socket message or a seed.

local new_table = require("table.new")
local errors = require("core.errors")
local trace = require("core.trace")
local uuid = require("core.uuid")

local M = {}

local Context = {}
Context.__index = Context

local FIELDS = 24 -- that a derived context has room for
local SCRIPT_FILE_MAX = 90 -- bytes: the audit trail keeps names of 120
-- What a request is asked for when somebody wants it: field -> method.
local ASKED = { request_id = "id", trace_id = "trace", user_agent = "agent" }
local ANONYMOUS = { kind = "anonymous", permissions = {} }
local ALL = setmetatable({}, {
  __index = function()
    return true
  end,
})

--- Makes a context of these fields; a request id and an anonymous actor are added when missing.
-- `trace` is of core.trace; of one that begins here `trace_id` is enough.
function M.new(fields)
  local ctx = setmetatable(fields or {}, Context)
  ctx.request_id = ctx.request_id or uuid.v7()
  ctx.actor = ctx.actor or ANONYMOUS
  ctx.trace_id = ctx.trace and ctx.trace.id or ctx.trace_id
  return ctx
end

-- Of requests, in place of Context.
local OfRequest = {}

function OfRequest.__index(ctx, name)
  local inherited = Context[name]
  local method = inherited == nil and ASKED[name]
  if not method then
    return inherited
  end
  local req = ctx.req
  local ok, value = pcall(req[method], req)
  if not ok then -- the request is over, and what it has set off goes on: a line of the log, say
    return nil
  end
  ctx[name] = value
  return value
end

--- Makes the context of a request by nobody yet. Its id, its trace's and the user agent are texts
-- that most requests need not: they are asked for when they are first read.
-- @param fields req and what else is known; trace when the client told it
function M.of_request(fields)
  fields.actor = ANONYMOUS
  return setmetatable(fields, OfRequest)
end

--- A context that may do everything: jobs, seeds, commands.
-- @param fields { tenant=, request_id=, trace=, name = "job:files.sweep" }
function M.system(fields)
  local name = fields and fields.name or "system"
  local kind = name:find("^job:") and "job" or "system"
  return M.new({
    tenant = fields and fields.tenant,
    request_id = fields and fields.request_id,
    trace = fields and fields.trace,
    actor = { kind = kind, name = name, permissions = ALL, platform_admin = true },
  })
end

--- A context in which a tenant's script acts: what it does is its own, and nobody's account.
-- @param fields tenant, file and release = whose script it is, permissions = a set, request_id and
--   trace or nil; further ones are kept
function M.script(fields)
  fields.actor = {
    kind = "script",
    name = ("script:%s@%s"):format(fields.file:sub(-SCRIPT_FILE_MAX), tostring(fields.release)),
    permissions = fields.permissions,
  }
  fields.file, fields.release, fields.permissions = nil, nil, nil
  return M.new(fields)
end

--- Whether the actor has the permission.
function Context:can(permission)
  return self.actor.permissions[permission] == true
end

--- Raises 403 unless the actor has the permission.
function Context:require(permission)
  if not self:can(permission) then
    errors.raise("FORBIDDEN", "You may not do this: it needs " .. permission)
  end
end

--- The tenant, or 400 when there is none.
function Context:require_tenant()
  return self.tenant or errors.raise("TENANT_REQUIRED",
    "Name the tenant: by the X-Tenant header, the host name or the field tenant")
end

--- A context like this one with some fields replaced.
function Context:with(fields)
  for name in pairs(ASKED) do
    local _ = self[name]
  end
  if self.trace_id then
    trace.of(self) -- what both set off has one parent
  end
  local derived = setmetatable(new_table(0, FIELDS), Context)
  for name, value in pairs(self) do
    derived[name] = value
  end
  for name, value in pairs(fields) do
    derived[name] = value
  end
  derived.trace_id = derived.trace and derived.trace.id
  return derived
end

return M
