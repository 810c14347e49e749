--- Tenants' scripts: rules that change how the product works for one tenant.

local M = {}

return M
