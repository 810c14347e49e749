// What both rivals do for a request, between their router and their answer: the same statements
// and the same shapes as Fixxit. Roles come from the token, which is what such programs do.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs/promises');
const path = require('node:path');
const mysql = require('mysql2/promise');
const Redis = require('ioredis');
const sharp = require('sharp');
const geo = require('./geo');
const sql = require('./sql');
const views = require('./views');

const HOUR_MS = 3600 * 1000;
const DUPLICATE_MS = 14 * 24 * HOUR_MS;
const [DUPLICATE_RADIUS_M, SIMILAR_RADIUS_M, DUPLICATES_MAX] = [50, 1000, 5];
const WORDS = 6; // of a title that are looked for
const CODE_LETTERS = '34679ACDEFGHJKMNPRTVWXY';
const CODE_KEEP_S = 30;
const CATEGORIES = { roads: 72, street_light: 72, electrical: 8, water: 24, parks: 120, waste: 120,
  signs: 48, building: 24, other: 96 };
const EVENTS = `${process.env.DB_NAME}:events`;
// The roles that may read every report of their tenant.
const STAFF = new Set(['owner', 'admin', 'dispatcher', 'technician', 'member', 'viewer']);

const pool = mysql.createPool({
  socketPath: process.env.DB_SOCKET, user: 'root', database: process.env.DB_NAME,
  connectionLimit: 12, timezone: 'Z', charset: 'utf8mb4',
});
const redis = new Redis(process.env.REDIS_SOCKET);

const rows = async (on, text, params) => (await on.execute(text, params))[0];

// UUIDv7 (RFC 9562 5.7).
function uuid() {
  const bytes = crypto.randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function trackingCode() {
  let code = '';
  while (code.length < 8) {
    for (const byte of crypto.randomBytes(16)) {
      if (byte < 253 && code.length < 8) code += CODE_LETTERS[byte % 23];
    }
  }
  return code;
}

const canRead = (user, row) =>
  STAFF.has(user.role) || (row.reporter_id !== null && row.reporter_id === user.sub);

async function getReport(on, tenant, id) {
  return (await rows(on, sql.getReport, [tenant, id]))[0];
}

// The statement's rows are one report with a line of its history each.
async function withHistory(tenant, view, lines, isStaff) {
  const [report] = lines;
  view.history = lines.map((row) => views.changeView(row, isStaff));
  view.attachments = report.has_attachments
    ? (await rows(pool, sql.listAttachments, [tenant, tenant, 'report', report.id]))
      .map(views.attachmentView)
    : [];
  return view;
}

async function getDetail(user, id) {
  const { tid } = user;
  const lines = await rows(pool, sql.getDetail, [tid, tid, tid, tid, tid, tid, id]);
  if (lines.length === 0 || !canRead(user, lines[0])) return null;
  const detail = await withHistory(tid, views.fullView(lines[0]), lines, STAFF.has(user.role));
  detail.escalations = []; // the bench's reports have neither these
  detail.workOrders = []; // nor those
  return detail;
}

// A cursor holds the sort values of the last row, signed.
function cursorOf(row) {
  const text = JSON.stringify({ s: '-createdAt', v: [row.created_at, row.id] });
  const signature = crypto.createHmac('sha256', process.env.JWT_SECRET).update(text).digest();
  return Buffer.concat([signature.subarray(0, 16), Buffer.from(text)]).toString('base64url');
}

async function list(user, limit) {
  const { tid } = user;
  const found = await rows(pool, sql.listReports, [tid, tid, tid, String(limit + 1), '0']);
  const hasMore = found.length > limit;
  if (hasMore) found.pop();
  return {
    data: found.map(views.memberView),
    meta: { limit, hasMore, nextCursor: hasMore ? cursorOf(found.at(-1)) : null },
  };
}

function isDuplicate(report, words, candidate) {
  return (candidate.category === report.category && candidate.distance !== null
    && candidate.distance <= DUPLICATE_RADIUS_M) || views.areCommon(words, candidate.title);
}

// The parameters of one place in sql.listSimilar.
function around(tenant, report, since, radius, areas) {
  const { latitude, longitude } = report;
  const box = geo.boxAround(latitude, longitude, radius);
  areas.push(...geo.areas(box));
  return [latitude, longitude, latitude, tenant, since, report.id, ...areas,
    box.south, box.north, box.west, box.east];
}

async function findSimilar(tenant, report, words) {
  const since = new Date(Date.now() - DUPLICATE_MS);
  const areas = [], farAreas = [];
  const close = around(tenant, report, since, DUPLICATE_RADIUS_M, areas);
  const far = around(tenant, report, since, SIMILAR_RADIUS_M, farAreas);
  const like = Array.from({ length: WORDS }, (_, i) => (words[i] ? `%${words[i]}%` : ''));
  like.push(Math.max(1, 2 * Math.min(words.length, WORDS) - words.length));
  return rows(pool, sql.listSimilar(areas, farAreas), [
    ...close, report.category, DUPLICATE_RADIUS_M, ...far, SIMILAR_RADIUS_M, ...like,
    tenant, since, report.id, ...like]);
}

async function possibleDuplicates(tenant, report) {
  const words = views.wordsOf(report.title);
  const found = new Set();
  for (const candidate of await findSimilar(tenant, report, words)) {
    if (found.size < DUPLICATES_MAX && isDuplicate(report, words, candidate)) found.add(candidate.id);
  }
  if (found.size === 0) return [];
  return (await rows(pool, sql.listNear([...found]),
    [report.latitude, report.longitude, report.latitude, tenant, ...found])).map(views.publicView);
}

function newReport(user, input) {
  const now = new Date(), { location } = input;
  return {
    id: uuid(), reporter_id: user.sub, tracking_code: trackingCode(), title: input.title,
    description: input.description ?? null, category: input.category,
    severity_level: input.severity ?? 'medium', status: 'submitted',
    location_description: location.description ?? null, latitude: location.latitude ?? null,
    longitude: location.longitude ?? null, location_accuracy: location.accuracy ?? null,
    source: input.source ?? 'api', tags: input.tags ?? [], metadata: input.metadata ?? {},
    sla_due_at: new Date(now.getTime() + CATEGORIES[input.category] * HOUR_MS),
    version: 1, created_at: now, updated_at: now, resolved_at: null, duplicate_of: null,
  };
}

async function storeReport(on, user, row, request) {
  const { tid, sub } = user;
  const cell = row.latitude === null ? null : geo.encode(row.latitude, row.longitude);
  await rows(on, sql.insertReport, [row.id, tid, sub, null, row.tracking_code, row.title,
    row.description, row.category, row.severity_level, row.status, row.location_description,
    row.latitude, row.longitude, row.location_accuracy, cell, row.source, JSON.stringify(row.tags),
    JSON.stringify(row.metadata), row.sla_due_at, null, row.created_at,
    row.updated_at]);
  await rows(on, sql.insertHistory, [uuid(), tid, row.id, null, row.status, null, sub, row.created_at]);
  await rows(on, sql.insertClock, [uuid(), tid, 'report', '', 'report', row.id, row.created_at, 0,
    row.sla_due_at - row.created_at, 0, row.sla_due_at, row.sla_due_at]);
  await rows(on, sql.insertAudit, [uuid(), tid, sub, 'user', 'report.create', 'report', row.id, null,
    JSON.stringify(views.memberView(row)), request.ip, request.userAgent ?? null, request.id]);
  const event = { id: uuid(), data: views.fullView(row) };
  await rows(on, sql.insertOutbox, [tid, event.id, 'report.created', 'report', row.id,
    JSON.stringify({ kind: 'user', userId: sub }), JSON.stringify(event.data), null, request.id, null]);
  return event;
}

/** Stores a report in one transaction with its audit and outbox rows, then announces it. */
async function create(user, input, request) {
  const report = newReport(user, input);
  const connection = await pool.getConnection();
  let event;
  try {
    await connection.beginTransaction();
    event = await storeReport(connection, user, report, request);
    await connection.commit();
  } catch (error) {
    await connection.rollback();
    throw error;
  } finally {
    connection.release();
  }
  redis.publish(EVENTS, JSON.stringify({ tenant: user.tid, frame: {
    type: 'event', event: 'report:created', id: event.id, topic: `report:${report.id}`,
    data: event.data, ts: report.created_at } }));
  const data = views.fullView(report);
  data.attachments = [];
  return { data, meta: { possibleDuplicates: await possibleDuplicates(user.tid, report) } };
}

/** Calls fn(tenant, frame) with what any process announces. */
function onEvent(fn) {
  const subscriber = redis.duplicate();
  subscriber.subscribe(EVENTS);
  subscriber.on('message', (_, text) => {
    const { tenant, frame } = JSON.parse(text);
    fn(tenant, frame);
  });
}

async function readTracked(code) {
  const [found] = await rows(pool, sql.findByCode, [code]);
  if (!found) return null;
  const { id, tenant_id: tenant } = found;
  const lines = await rows(pool, sql.getTracked, [tenant, tenant, tenant, tenant, id]);
  const view = views.publicView(lines[0]);
  view.trackingCode = code;
  return withHistory(tenant, view, lines, false);
}

/** The answer to a tracking code as JSON text, from Redis while it is there. */
async function track(code) {
  const key = `${process.env.DB_NAME}:track:${code}`;
  const kept = await redis.get(key);
  if (kept) return kept;
  const data = await readTracked(code);
  if (!data) return null;
  const text = JSON.stringify({ success: true, data });
  await redis.set(key, text, 'EX', CODE_KEEP_S);
  return text;
}

/** The path of a smaller version of a picture, made when there is none yet. */
async function thumbnail(user, id, width, height) {
  const [file] = await rows(pool, sql.findFile, [user.tid, id]);
  if (!file) return null;
  const [parent] = await rows(pool, sql.listParents, [user.tid, id]);
  const report = parent && await getReport(pool, user.tid, parent.parent_id);
  if (!report || !canRead(user, report)) return null;
  const name = `${file.sha256}-${width}x${height}.jpeg`;
  const target = path.join(process.env.CACHE, name.slice(0, 2), name);
  try {
    await fs.access(target);
  } catch {
    const made = path.join(process.env.CACHE, uuid());
    await sharp(path.join(process.env.FILES, file.path)).rotate()
      .resize(width, height, { fit: 'cover' }).jpeg({ quality: 80 }).toFile(made);
    await fs.mkdir(path.dirname(target), { recursive: true });
    await fs.rename(made, target);
  }
  return target;
}

module.exports = { getDetail, list, create, track, thumbnail, onEvent, uuid, CATEGORIES };
