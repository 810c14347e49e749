--- SQL of the nodes. They belong to no tenant.

local db = require("core.db")

local M = {}

--- Writes down that a node is there. @return whether it is new
function M.put_node(ctx, name)
  return db.platform(ctx):exec(
    [[INSERT INTO nodes (name, seen_at) VALUES (?, NOW(3))
      ON DUPLICATE KEY UPDATE seen_at = NOW(3)]], name).affected == 1
end

--- How many were there within the last seconds. Who was so later than now was so on a clock that
-- has been set back.
function M.count_nodes(ctx, seconds)
  return db.platform(ctx):one(
    [[SELECT COUNT(*) AS nodes FROM nodes
      WHERE seen_at BETWEEN NOW(3) - INTERVAL ? SECOND AND NOW(3) + INTERVAL ? SECOND]],
    seconds, seconds).nodes
end

--- Forgets those that have not been there for a day.
function M.forget_nodes(ctx)
  db.platform(ctx):exec("DELETE FROM nodes WHERE seen_at < NOW(3) - INTERVAL 1 DAY")
end

return M
