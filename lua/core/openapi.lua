-- The OpenAPI 3.1 document, made from the route tables that also route and validate.

local components = require("core.openapi.components")
local crypto = require("core.crypto")
local json = require("core.json")
local operation = require("core.openapi.operation")
local registry = require("core.registry")

local M = {}

local VERSION = "1.0.0"
local DESCRIPTION = [[Hazard reports and work orders. Every answer is an envelope, `success` with
`data` or `error`; times are ISO 8601 in UTC, ids are UUIDs. Lists go on by `meta.nextCursor`, or
by `page`. `x-permission` is what the caller must be allowed to, `x-rate-class` against what the
call counts.]]

local SYSTEM = "Health, figures, and this description."

-- The text and its hash, made on first use.
local document, document_hash

local function shape_of(route)
  return ((route.base .. route.path):gsub("[:*][%w_]+", ":"))
end

-- Paths that differ only in the names of their parameters are one to OpenAPI: a parameter that goes
-- by several names is `id` there.
local function parameter_names()
  local names = {}
  for _, route in ipairs(registry.routes) do
    local shape = shape_of(route)
    local known = names[shape] or { unpack(route.param_names) }
    for i, name in ipairs(route.param_names) do
      known[i] = known[i] == name and name or "id"
    end
    names[shape] = known
  end
  return names
end

local function build_paths(named)
  local paths, all_names = json.object({}), parameter_names()
  for _, route in ipairs(registry.routes) do
    local names, i = all_names[shape_of(route)], 0
    local path = (route.base .. route.path):gsub("[:*][%w_]+", function()
      i = i + 1
      return "{" .. names[i] .. "}"
    end)
    paths[path] = paths[path] or {}
    paths[path][route.method:lower()] = operation.of(route, names, named)
  end
  return paths
end

local function build_tags()
  local tags, seen = json.array({ { name = "system", description = SYSTEM } }), { system = true }
  for _, route in ipairs(registry.routes) do
    if not seen[route.module] then
      seen[route.module] = true
      tags[#tags + 1] = { name = route.module }
    end
  end
  for _, module in ipairs(registry.modules) do
    for _, tag in ipairs(tags) do
      tag.description = tag.name == module.name and module.manifest.summary or tag.description
    end
  end
  return tags
end

local function build()
  local named = {}
  return {
    openapi = "3.1.0",
    info = { title = "Fixxit", version = VERSION, description = (DESCRIPTION:gsub("\n", " ")) },
    servers = { { url = "/" } },
    security = { { bearer = json.array({}) }, { apiKey = json.array({}) } },
    tags = build_tags(),
    paths = build_paths(named),
    components = components.build(named),
  }
end

--- The document as JSON text, and a hash of it.
function M.document()
  if not document then
    document = json.encode(build(), { sorted = true })
    document_hash = crypto.hex(crypto.hash("sha256", document)):sub(1, 32)
  end
  return document, document_hash
end

return M
