// The statements that Fixxit issues, word for word: `make bench` compares them with the server's
// general log. A ? stands where Fixxit binds a value, the tenant's id included.
'use strict';

const REPORT = `r.id, r.reporter_id, r.reporter_contact, r.tracking_code, r.title, r.description,
  r.category, r.severity_level, r.status, r.location_description, r.latitude, r.longitude,
  r.location_accuracy, r.source, r.tags, r.metadata, r.duplicate_of, r.sla_due_at,
  r.workflow_release, r.version, r.created_at, r.updated_at, r.resolved_at,
  FIELD(r.severity_level, 'low', 'medium', 'high', 'critical') AS severity_rank`;

const SHOWN = `r.id, r.title, r.description, r.category, r.severity_level, r.status,
  r.location_description, r.latitude, r.longitude, r.location_accuracy, r.created_at, r.updated_at,
  r.resolved_at`;

const DISTANCE = `(SQRT(POW(r.latitude - ?, 2)
  + POW((r.longitude - ?) * COS(RADIANS(?)), 2)) * 111195.08)`;

const ATTACHMENTS = `SELECT a.id, a.parent_id, a.file_id, a.kind, a.caption, a.position, f.file_type,
    f.file_size, f.width, f.height
  FROM attachments a JOIN files f ON f.id = a.file_id AND f.tenant_id = ?
  WHERE a.tenant_id = ? AND a.parent_type = ? AND a.parent_id IN (`;

const OF_REPORT = `FROM attachments a USE INDEX (attachments_parent)
  JOIN files f USE INDEX (PRIMARY) ON f.id = a.file_id AND f.tenant_id = ?
  WHERE a.tenant_id = ? AND a.parent_type = 'report' AND a.parent_id = r.id
  AND a.deleted_at IS NULL AND f.deleted_at IS NULL`;

const CHANGE = `h.id AS change_id, h.from_status, h.to_status, h.reason,
  IF(h.to_status = 'rejected', h.reason, NULL) AS public_reason, h.changed_by,
  h.created_at AS changed_at`;

const HAS_ESCALATIONS = `, EXISTS (SELECT 1 FROM sla_clocks k
  WHERE k.tenant_id = ? AND k.resource_type = 'report' AND k.resource_id = r.id AND k.mark > 0)
  AS has_escalations`;
const HAS_WORK_ORDERS = `, EXISTS (SELECT 1 FROM work_orders w USE INDEX (work_orders_report)
  WHERE w.tenant_id = ? AND w.report_id = r.id AND w.deleted_at IS NULL) AS has_workOrders`;

const detail = (more) => `SELECT ${REPORT}, 0 AS follower_count,
  EXISTS (SELECT 1 ${OF_REPORT}) AS has_attachments${more}, ${CHANGE} FROM reports r
  JOIN report_status_history h ON h.tenant_id = ? AND h.report_id = r.id
  WHERE r.tenant_id = ? AND r.id = ? AND r.deleted_at IS NULL ORDER BY h.id`;

const marks = (list) => list.map(() => '?').join(',');

// Reports that may be the same hazard as one at a place and with these words.
const RECENT = `r.tenant_id = ? AND r.created_at >= ? AND r.deleted_at IS NULL
  AND r.status NOT IN ('rejected','duplicate') AND r.id <> ?`;
const SIMILAR = 'SELECT r.id, r.title, r.category,';
const around = (areas) => `${SIMILAR} ${DISTANCE} AS distance FROM reports r
  FORCE INDEX (reports_area) WHERE ${RECENT} AND r.area IN (${marks(areas)})
  AND r.latitude BETWEEN ? AND ? AND r.longitude BETWEEN ? AND ?`;
const LIKE = Array(6).fill('(r.title LIKE ?)').join(' + ');
const alike = (candidates) => `(SELECT r.id, r.title, r.category, r.distance FROM (
  ${candidates} LIMIT 50) r WHERE (${LIKE}) * 2 >= ? LIMIT 6)`;
const NEWEST = alike(`${SIMILAR} NULL AS distance FROM reports r FORCE INDEX (reports_created)
  WHERE ${RECENT} ORDER BY r.created_at DESC`);

module.exports = {
  getReport: `SELECT ${REPORT} FROM reports r
    WHERE r.tenant_id = ? AND r.id = ? AND r.deleted_at IS NULL`,

  getDetail: detail(HAS_ESCALATIONS + HAS_WORK_ORDERS),
  getTracked: detail(''),

  listAttachments: `${ATTACHMENTS}?) AND a.deleted_at IS NULL AND f.deleted_at IS NULL
    ORDER BY a.parent_id, a.position, a.id`,

  listReports: `SELECT ${REPORT}, (SELECT a.file_id ${OF_REPORT} AND f.file_type LIKE 'image/%'
    ORDER BY a.position, a.id LIMIT 1) AS cover_id FROM reports r
    WHERE r.tenant_id = ? AND r.deleted_at IS NULL AND TRUE
    ORDER BY r.created_at DESC, r.id DESC LIMIT ? OFFSET ?`,

  insertReport: `INSERT INTO reports (id, tenant_id, reporter_id, reporter_contact,
      tracking_code, title, description, category, severity_level, status, location_description,
      latitude, longitude, location_accuracy, cell, source, tags, metadata, sla_due_at,
      workflow_release, created_at, updated_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,

  insertHistory: `INSERT INTO report_status_history
      (id, tenant_id, report_id, from_status, to_status, reason, changed_by, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,

  insertClock: `INSERT INTO sla_clocks (id, tenant_id, kind, name, resource_type,
      resource_id, since, elapsed_ms, target_ms, mark, next_due_at, wake_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,

  insertAudit: `INSERT INTO audit_logs (id, tenant_id, user_id, actor, action, resource_type, resource_id,
      old_values, new_values, ip_address, user_agent, request_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,

  insertOutbox: `INSERT INTO outbox (tenant_id, event_id, event, resource_type, resource_id, actor, payload,
      personal, request_id, traceparent, occurred_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NOW(3))`,

  // The areas close by, and those farther around in which words count.
  listSimilar: (areas, farAreas) => `(${around(areas)} AND r.category = ? HAVING distance <= ?
    ORDER BY distance LIMIT 6)
    UNION ALL ${alike(`${around(farAreas)} HAVING distance <= ?`)} UNION ALL ${NEWEST}`,

  listNear: (ids) => `SELECT ${SHOWN}, ROUND(${DISTANCE}) AS distance FROM reports r
    WHERE r.tenant_id = ? AND r.id IN (${marks(ids)}) ORDER BY distance IS NULL, distance`,

  findByCode: 'SELECT id, tenant_id FROM reports WHERE tracking_code = ? AND deleted_at IS NULL',

  findFile: `SELECT id, tenant_id, sha256, path, original_name, file_type, file_size, width, height,
    uploaded_by FROM files WHERE tenant_id = ? AND id = ? AND deleted_at IS NULL`,

  listParents: `SELECT DISTINCT parent_type, parent_id FROM attachments
    WHERE tenant_id = ? AND file_id = ? AND deleted_at IS NULL`,
};
