--- What tenants' scripts can do besides what plugins offer (core.plugin: M.scripts).

local http = require("services.scripts.capabilities.http")
local kv = require("services.scripts.capabilities.kv")
local notify = require("services.scripts.capabilities.notify")
local secret = require("services.scripts.capabilities.secret")
local time = require("services.scripts.capabilities.time")
local users = require("services.scripts.capabilities.users")

return {
  capabilities = { http = http, kv = kv, notify = notify, secret = secret, time = time,
    users = users },
  permissions = { "users.read" },
}
