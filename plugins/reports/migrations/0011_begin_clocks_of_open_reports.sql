-- Reports that were open before there were clocks get one, as if it had run since they came in. What
-- it would have told of by now is not told any more. A job worker reckons its next step.

-- up
INSERT IGNORE INTO sla_clocks (id, tenant_id, kind, resource_type, resource_id, since, target_ms,
  mark, wake_at)
SELECT UUID(), r.tenant_id, 'report.sla', 'report', r.id, r.created_at,
  TIMESTAMPDIFF(MICROSECOND, r.created_at, r.sla_due_at) DIV 1000,
  CASE FLOOR(2 * TIMESTAMPDIFF(SECOND, r.created_at, NOW(3))
      / TIMESTAMPDIFF(SECOND, r.created_at, r.sla_due_at))
    WHEN 0 THEN 0 WHEN 1 THEN 50 WHEN 2 THEN 100 ELSE 150 END,
  NOW(3)
FROM reports r
WHERE r.sla_due_at > r.created_at + INTERVAL 1 SECOND AND r.deleted_at IS NULL
  AND r.status NOT IN ('resolved', 'closed', 'rejected', 'duplicate');

-- down
DELETE FROM sla_clocks WHERE kind = 'report.sla';
