-- Work that was open before there were clocks gets one, as if it had run since it was made. What it
-- would have told of by now is not told any more. A job worker reckons its next step.

-- up
INSERT IGNORE INTO sla_clocks (id, tenant_id, kind, resource_type, resource_id, state, since,
  target_ms, mark, wake_at)
SELECT UUID(), w.tenant_id, 'workorder.sla', 'workorder', w.id,
  IF(w.status = 'on_hold', 'paused', 'running'), w.created_at,
  TIMESTAMPDIFF(MICROSECOND, w.created_at, w.sla_due_at) DIV 1000,
  CASE FLOOR(2 * TIMESTAMPDIFF(SECOND, w.created_at, NOW(3))
      / TIMESTAMPDIFF(SECOND, w.created_at, w.sla_due_at))
    WHEN 0 THEN 0 WHEN 1 THEN 50 WHEN 2 THEN 100 ELSE 150 END,
  IF(w.status = 'on_hold', NULL, NOW(3))
FROM work_orders w
WHERE w.sla_due_at > w.created_at + INTERVAL 1 SECOND AND w.deleted_at IS NULL
  AND w.status NOT IN ('completed', 'verified', 'cancelled');

-- down
DELETE FROM sla_clocks WHERE kind = 'workorder.sla';
