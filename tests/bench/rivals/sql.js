// The statements that Fixxit issues, word for word: `make bench` compares them with the server's
// general log. A ? stands where Fixxit binds a value, the tenant's id included.
'use strict';

const REPORT = `r.id, r.reporter_id, r.reporter_contact, r.tracking_code, r.title, r.description,
  r.category, r.severity_level, r.status, r.location_description, r.latitude, r.longitude,
  r.location_accuracy, r.source, r.tags, r.metadata, r.duplicate_of, r.sla_due_at, r.version,
  r.created_at, r.updated_at, r.resolved_at,
  FIELD(r.severity_level, 'low', 'medium', 'high', 'critical') AS severity_rank`;

const DISTANCE = `(SQRT(POW(r.latitude - ?, 2)
  + POW((r.longitude - ?) * COS(RADIANS(?)), 2)) * 111195.08)`;

const WORK_ORDER = `w.id, w.number, w.report_id, w.assigned_to, w.team_id, w.assigned_at,
  w.assigned_by, w.created_by, w.title, w.description, w.priority, w.status, w.held_from,
  w.location_description, w.latitude, w.longitude, w.scheduled_start, w.scheduled_end,
  w.schedule_status, w.estimated_minutes, w.minutes_spent, w.completion_notes, w.sla_due_at,
  w.checklist, w.metadata, w.version, w.created_at, w.updated_at, w.completed_at,
  FIELD(w.priority, 'low', 'normal', 'high', 'urgent') AS priority_rank,
  CONCAT_WS(' ', u.first_name, u.last_name) AS assignee_name, t.name AS team_name`;

const ATTACHMENT = `SELECT a.id, a.parent_id, a.file_id, a.kind, a.caption, a.position, f.file_type,
    f.file_size, f.width, f.height
  FROM attachments a JOIN files f ON f.id = a.file_id AND f.tenant_id = ?
  WHERE a.tenant_id = ? AND a.parent_type = ? AND a.parent_id IN (`;

const marks = (list) => list.map(() => '?').join(',');

module.exports = {
  getReport: `SELECT ${REPORT} FROM reports r
    WHERE r.tenant_id = ? AND r.id = ? AND r.deleted_at IS NULL`,

  getHistory: `SELECT id, from_status, to_status, reason, changed_by, created_at
    FROM report_status_history WHERE tenant_id = ? AND report_id = ? ORDER BY id`,

  listAttachments: (ids) => `${ATTACHMENT}${marks(ids)})
    AND a.deleted_at IS NULL AND f.deleted_at IS NULL
    ORDER BY a.parent_id, a.position, a.id`,

  listCovers: (ids) => `${ATTACHMENT}${marks(ids)})
    AND a.deleted_at IS NULL AND f.deleted_at IS NULL AND f.file_type LIKE 'image/%'
    ORDER BY a.parent_id, a.position, a.id`,

  listWorkOrders: (ids) => `SELECT ${WORK_ORDER} FROM work_orders w
    LEFT JOIN users u ON u.id = w.assigned_to
    LEFT JOIN teams t ON t.tenant_id = ? AND t.id = w.team_id
    WHERE w.tenant_id = ? AND w.deleted_at IS NULL
    AND w.id IN (SELECT ranked.id FROM (
        SELECT o.id, ROW_NUMBER() OVER (PARTITION BY o.report_id ORDER BY o.id) AS place
        FROM work_orders o WHERE o.tenant_id = ? AND o.deleted_at IS NULL
          AND o.report_id IN (${marks(ids)})) AS ranked
      WHERE ranked.place <= 100) ORDER BY w.id`,

  listReports: `SELECT ${REPORT} FROM reports r
    WHERE r.tenant_id = ? AND r.deleted_at IS NULL AND TRUE
    ORDER BY r.created_at DESC, r.id DESC LIMIT ? OFFSET ?`,

  insertReport: `INSERT INTO reports (id, tenant_id, reporter_id, reporter_contact,
      tracking_code, title, description, category, severity_level, status, location_description,
      latitude, longitude, location_accuracy, cell, source, tags, metadata, sla_due_at,
      created_at, updated_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,

  insertHistory: `INSERT INTO report_status_history
      (id, tenant_id, report_id, from_status, to_status, reason, changed_by, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,

  insertAudit: `INSERT INTO audit_logs (id, tenant_id, user_id, actor, action, resource_type, resource_id,
      old_values, new_values, ip_address, user_agent, request_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,

  insertOutbox: `INSERT INTO outbox (tenant_id, event_id, event, resource_type, resource_id, actor, payload,
      request_id, occurred_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NOW(3))`,

  listNear: (cells, hidden) => `SELECT ${REPORT}, ${DISTANCE} AS distance
    FROM reports r WHERE r.tenant_id = ? AND r.deleted_at IS NULL AND r.created_at >= ?
    AND (${cells.map(() => 'r.cell BETWEEN ? AND ?').join(' OR ')})
    AND r.latitude BETWEEN ? AND ? AND r.longitude BETWEEN ? AND ?
    AND ${DISTANCE} <= ?${hidden.map(() => ' AND r.status <> ?').join('')}
    ORDER BY distance LIMIT ?`,

  listRecent: `SELECT ${REPORT} FROM reports r
    WHERE r.tenant_id = ? AND r.created_at >= ? AND r.deleted_at IS NULL
    ORDER BY r.created_at DESC LIMIT ?`,

  findByCode: 'SELECT id, tenant_id FROM reports WHERE tracking_code = ? AND deleted_at IS NULL',

  findFile: `SELECT id, tenant_id, sha256, path, original_name, file_type, file_size, width, height,
    uploaded_by FROM files WHERE tenant_id = ? AND id = ? AND deleted_at IS NULL`,

  listParents: `SELECT DISTINCT parent_type, parent_id FROM attachments
    WHERE tenant_id = ? AND file_id = ? AND deleted_at IS NULL`,
};
