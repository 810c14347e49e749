--- HTTP of workspaces and invitations to them.

local etag = require("core.etag")
local json = require("core.json")
local reply = require("core.reply")
local answers = require("services.identity.answers")
local invitations = require("services.identity.invitations")
local rights = require("services.identity.workspace_rights")
local schema = require("services.identity.workspace_schema")
local service = require("services.identity.service")
local workspaces = require("services.identity.workspaces")

local BASE = "/api/v1/workspaces/"

local function verifier(ctx)
  return function(workspace)
    reply.require_match(ctx, etag.of_shown(workspace))
  end
end

local function answer(workspace)
  return reply.ok(workspace, { etag = etag.of_shown(workspace) })
end

-- Below the workspace that the path names: with the rights that the caller has there.
local function inside(route)
  route.path = "/workspaces/:id" .. (route.path or "")
  route.tenant, route.enter = false, rights.enter
  return route
end

return {
  { method = "POST", path = "/workspaces", summary = "Make a workspace, which is mine then.",
    permission = "user", rate = "workspace", tenant = false, body = schema.create,
    check = workspaces.check,
    answers = { [201] = "the workspace", [409] = "the slug is taken" },
    returns = schema.workspace,
    handler = function(ctx, input)
      local made = workspaces.create(ctx, input.body)
      return reply.created(BASE .. made.id, made)
    end },
  { method = "GET", path = "/workspaces", summary = "The workspaces that I am a member of.",
    permission = "user", tenant = false, query = schema.list,
    answers = { [200] = "workspaces with my role" }, returns = schema.workspaces,
    handler = function(ctx, input)
      local list, meta = workspaces.list(ctx, input.query)
      return reply.ok(list, { meta = meta })
    end },
  inside({ method = "GET", summary = "A workspace of mine.", permission = "user",
    answers = { [200] = "the workspace", [404] = "no workspace of mine" },
    returns = schema.workspace, versioned = true,
    handler = function(ctx)
      return answer(workspaces.get(ctx))
    end }),
  inside({ method = "PUT", summary = "Change a workspace; its tier is for platform_admin.",
    permission = { "workspaces.manage", "platform_admin" }, body = schema.update,
    check = workspaces.check,
    answers = { [200] = "the workspace", [404] = "no workspace of mine",
      [409] = "the slug is taken" },
    returns = schema.workspace, versioned = true,
    handler = function(ctx, input)
      return answer(workspaces.update(ctx, input.body, verifier(ctx)))
    end }),
  inside({ method = "DELETE", summary = "Delete a workspace. All tokens for it end.",
    permission = { "workspaces.manage", "platform_admin" },
    answers = { [200] = "deleted", [404] = "no workspace of mine" },
    returns = false, versioned = true,
    handler = function(ctx)
      workspaces.delete(ctx, verifier(ctx))
      return reply.ok(json.null)
    end }),
  inside({ method = "POST", path = "/transfer",
    summary = "Hand a workspace over: another member becomes its owner, I an administrator.",
    permission = "workspaces.manage", body = schema.transfer,
    answers = { [200] = "the workspace", [404] = "no such workspace or member" },
    returns = schema.workspace,
    handler = function(ctx, input)
      workspaces.transfer(ctx, input.body.userId)
      local after = workspaces.get(ctx)
      after.role = "admin"
      return reply.ok(after)
    end }),
  inside({ method = "GET", path = "/members", summary = "The members: with users.read all and how "
      .. "to reach them, else the names of those who work for the workspace.",
    permission = "user", query = schema.members,
    answers = { [200] = "members", [403] = "not for the public", [404] = "no workspace of mine" },
    returns = schema.member_list,
    handler = function(ctx, input)
      local list, meta = workspaces.members(ctx, input.query)
      return reply.ok(list, { meta = meta })
    end }),
  inside({ method = "DELETE", path = "/members/:userId",
    summary = "Remove a member, which needs users.delete, or leave. All their tokens for it end.",
    permission = "user",
    answers = { [200] = "removed", [403] = "may do what I may not",
      [404] = "no such workspace or member", [409] = "the last owner" },
    returns = false,
    handler = function(ctx, input)
      workspaces.remove(ctx, input.params.userId)
      return reply.ok(json.null)
    end }),
  inside({ method = "POST", path = "/members/invite",
    summary = "Invite somebody by mail, to a role that permits no more than mine.",
    permission = "users.create", rate = "workspace", body = schema.invite,
    answers = { [201] = "the invitation, good for 7 days", [403] = "the role permits more",
      [404] = "no workspace of mine", [409] = "a member already" },
    returns = schema.invitation,
    handler = function(ctx, input)
      local made = invitations.invite(ctx, input.body)
      return reply.created(BASE .. ctx.tenant.id .. "/invitations", made)
    end }),
  inside({ method = "GET", path = "/invitations", summary = "Invitations without an answer yet.",
    permission = "users.create", query = schema.invitations,
    answers = { [200] = "invitations, newest first", [404] = "no workspace of mine" },
    returns = schema.invitation_list,
    handler = function(ctx, input)
      local list, meta = invitations.list(ctx, input.query)
      return reply.ok(list, { meta = meta })
    end }),
  inside({ method = "DELETE", path = "/invitations/:invitationId",
    summary = "Take an invitation back.", permission = "users.create",
    answers = { [200] = "taken back", [404] = "no such invitation" },
    returns = false,
    handler = function(ctx, input)
      invitations.revoke(ctx, input.params.invitationId)
      return reply.ok(json.null)
    end }),
  -- Whoever calls these need not be a member yet, or is told that they are none.
  { method = "POST", path = "/workspaces/:id/members/accept",
    summary = "Accept an invitation to my address.", permission = "user", rate = "workspace",
    tenant = false, body = schema.accept,
    answers = { [200] = "a member now", [403] = "it is for another address",
      [404] = "no such invitation", [409] = "used already, or a member already",
      [410] = "the invitation is too old" },
    returns = schema.accepted,
    handler = function(ctx, input)
      return reply.ok(invitations.accept(ctx, input.params.id, input.body.token))
    end },
  { method = "POST", path = "/workspaces/:id/switch", summary = "Act in a workspace of mine.",
    permission = "user", secret = true, tenant = false, body = schema.nothing,
    answers = { [200] = "the account with tokens for that workspace", [403] = "not a member" },
    returns = answers.signed_in,
    handler = function(ctx, input)
      return reply.ok((service.switch_tenant(ctx, input.params.id)))
    end },
}
