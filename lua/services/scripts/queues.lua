--- The queues in which tenants' rules wait to run: a family of sixteen. A tenant is always in the
-- same one, so that what one lets wait is in the way of few others.

local M = {}

M.FAMILY = "scripts"
M.PRIORITY = 6 -- behind mails and what people wait for

--- How much of a job worker they get, all together and each: what is in a queue may wait for other
-- servers.
M.LIMITS = { max = 6, each = 3 }

--- The queue of a tenant.
function M.of(tenant_id)
  return M.FAMILY .. "." .. tenant_id:sub(-1)
end

return M
