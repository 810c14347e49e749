-- SQL of teams and their members.

local db = require("core.db")
local json = require("core.json")
local rows = require("core.rows")
local uuid = require("core.uuid")

local M = {}

local COLUMNS = "t.id, t.name, t.skills, t.version, t.created_at, t.updated_at"

local decode, decode_all = rows.decoder({ "skills" })

local LIVING = " FROM teams t WHERE t.tenant_id = :tenant AND t.deleted_at IS NULL "

-- What a sort key of the list means; see core.paging.
M.SORTS = { name = "t.name", createdAt = "t.created_at" }

--- Returns the living teams of one page of the list.
-- @param page what paging.read returned
function M.list(ctx, page)
  local params = { unpack(page.params) }
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. LIVING .. "AND " .. page.condition
    .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?", unpack(params)))
end

--- Returns the number of living teams.
function M.count(ctx)
  return db.scope(ctx):one("SELECT COUNT(*) AS n" .. LIVING).n
end

--- Returns the living team of that id, or nil.
function M.get(ctx, id)
  return decode(db.scope(ctx):one("SELECT " .. COLUMNS .. LIVING .. "AND t.id = ?", id))
end

--- Returns the living team of that name, or nil.
function M.find_by_name(ctx, name)
  return decode(db.scope(ctx):one("SELECT " .. COLUMNS .. LIVING .. "AND t.name = ?", name))
end

--- Returns the members of these teams: {team_id, user_id, name} each.
function M.list_members(ctx, team_ids)
  if #team_ids == 0 then
    return {}
  end
  return db.scope(ctx):query([[SELECT m.team_id, m.user_id,
      CONCAT_WS(' ', u.first_name, u.last_name) AS name
    FROM team_members m JOIN users u ON u.id = m.user_id
    WHERE m.tenant_id = :tenant AND u.deleted_at IS NULL
      AND m.team_id IN (]] .. ("?,"):rep(#team_ids):sub(1, -2) .. [[)
    ORDER BY u.first_name, u.last_name]], unpack(team_ids))
end

--- Returns the ids of the living teams that a person is in.
function M.ids_of_user(ctx, user_id)
  local ids = {}
  for i, row in ipairs(db.scope(ctx):query([[SELECT m.team_id FROM team_members m
    JOIN teams t ON t.tenant_id = :tenant AND t.id = m.team_id AND t.deleted_at IS NULL
    WHERE m.tenant_id = :tenant AND m.user_id = ?]], user_id)) do
    ids[i] = row.team_id
  end
  return ids
end

--- Adds a team and returns its id.
function M.insert(ctx, team)
  local id = uuid.v7()
  db.scope(ctx):exec("INSERT INTO teams (id, tenant_id, name, skills) VALUES (?, :tenant, ?, ?)",
    id, team.name, json.encode(json.array(team.skills or {})))
  return id
end

--- Adds a member to a team.
function M.add_member(ctx, team_id, user_id)
  db.scope(ctx):exec([[INSERT INTO team_members (tenant_id, team_id, user_id)
    VALUES (:tenant, ?, ?)]], team_id, user_id)
end

return M
