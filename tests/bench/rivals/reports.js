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
const [DUPLICATE_RADIUS_M, SIMILAR_RADIUS_M, CANDIDATES, DUPLICATES_MAX] = [50, 1000, 100, 5];
const NOT_A_HAZARD = ['rejected', 'duplicate'];
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
  const [row] = await rows(on, sql.getReport, [tenant, id]);
  return row;
}

async function getDetail(user, id) {
  const { tid } = user;
  const report = await getReport(pool, tid, id);
  if (!report || !canRead(user, report)) return null;
  const detail = views.fullView(report);
  detail.attachments = (await rows(pool, sql.listAttachments([id]), [tid, tid, 'report', id]))
    .map(views.attachmentView);
  detail.history = (await rows(pool, sql.getHistory, [tid, id]))
    .map((row) => views.changeView(row, STAFF.has(user.role)));
  if (STAFF.has(user.role)) {
    detail.workOrders = await rows(pool, sql.listWorkOrders([id]), [tid, tid, tid, id]);
  }
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
  const found = await rows(pool, sql.listReports, [tid, String(limit + 1), '0']);
  const hasMore = found.length > limit;
  if (hasMore) found.pop();
  const ids = found.map((row) => row.id);
  const covers = {};
  if (ids.length > 0) {
    for (const row of await rows(pool, sql.listCovers(ids), [tid, tid, 'report', ...ids])) {
      covers[row.parent_id] ??= views.attachmentView(row).thumbnailUrl;
    }
  }
  for (const row of found) row.thumbnail_url = covers[row.id];
  return {
    data: found.map(views.memberView),
    meta: { limit, hasMore, nextCursor: hasMore ? cursorOf(found.at(-1)) : null },
  };
}

function isDuplicate(report, candidate, since) {
  if (candidate.created_at < since) return false;
  if (candidate.category === report.category && candidate.distance <= DUPLICATE_RADIUS_M) return true;
  return views.areSimilar(report.title, candidate.title);
}

async function possibleDuplicates(tenant, report) {
  const since = new Date(Date.now() - DUPLICATE_MS);
  const { latitude, longitude } = report;
  const candidates = [];
  if (latitude !== null) {
    const box = geo.boxAround(latitude, longitude, SIMILAR_RADIUS_M);
    const cells = geo.cover(box);
    candidates.push(...await rows(pool, sql.listNear(cells, NOT_A_HAZARD), [
      latitude, longitude, latitude, tenant, since,
      ...cells.flatMap((cell) => [cell, `${cell}~`]),
      box.south, box.north, box.west, box.east,
      latitude, longitude, latitude, SIMILAR_RADIUS_M, ...NOT_A_HAZARD, String(CANDIDATES)]));
  }
  candidates.push(...await rows(pool, sql.listRecent, [tenant, since, String(CANDIDATES)]));
  const found = [], seen = new Set([report.id]);
  for (const candidate of candidates) {
    if (!seen.has(candidate.id) && isDuplicate(report, candidate, since)) {
      candidate.distance = candidate.distance && Math.floor(candidate.distance + 0.5);
      found.push(views.publicView(candidate));
      if (found.length === DUPLICATES_MAX) break;
    }
    seen.add(candidate.id);
  }
  return found;
}

async function storeReport(on, user, input, request) {
  const id = uuid(), now = new Date(), location = input.location;
  const { tid, sub } = user;
  await rows(on, sql.insertReport, [id, tid, sub, null, trackingCode(), input.title,
    input.description ?? null, input.category, input.severity ?? 'medium', 'submitted',
    location.description ?? null, location.latitude ?? null, location.longitude ?? null,
    location.accuracy ?? null,
    location.latitude === undefined ? null : geo.encode(location.latitude, location.longitude),
    input.source ?? 'api', JSON.stringify(input.tags ?? []), JSON.stringify(input.metadata ?? {}),
    new Date(now.getTime() + CATEGORIES[input.category] * HOUR_MS), now, now]);
  await rows(on, sql.insertHistory, [uuid(), tid, id, null, 'submitted', null, sub, now]);
  const report = await getReport(on, tid, id);
  await rows(on, sql.insertAudit, [uuid(), tid, sub, 'user', 'report.create', 'report', id, null,
    JSON.stringify(views.memberView(report)), request.ip, request.userAgent ?? null, request.id]);
  const eventId = uuid(), data = views.fullView(report);
  await rows(on, sql.insertOutbox, [tid, eventId, 'report.created', 'report', id,
    JSON.stringify({ kind: 'user', userId: sub }), JSON.stringify(data), request.id]);
  return { report, event: { id: eventId, data } };
}

/** Stores a report in one transaction with its audit and outbox rows, then announces it. */
async function create(user, input, request) {
  const connection = await pool.getConnection();
  let made;
  try {
    await connection.beginTransaction();
    made = await storeReport(connection, user, input, request);
    await connection.commit();
  } catch (error) {
    await connection.rollback();
    throw error;
  } finally {
    connection.release();
  }
  const { report, event } = made;
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
  const report = await getReport(pool, tenant, id);
  const answer = views.publicView(report);
  answer.trackingCode = code;
  answer.history = (await rows(pool, sql.getHistory, [tenant, id]))
    .map((row) => views.changeView(row, false));
  answer.attachments = (await rows(pool, sql.listAttachments([id]), [tenant, tenant, 'report', id]))
    .map(views.attachmentView);
  return answer;
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
