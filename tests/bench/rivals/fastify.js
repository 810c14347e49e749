// Fastify 5 with what its users reach for: JSON schemas, @fastify/jwt, ws. No log, no rate limit,
// no security headers: all of these Fixxit has in its figures and this has not.
'use strict';

const fs = require('node:fs');
const { WebSocketServer } = require('ws');
const reports = require('./reports');

const app = require('fastify')({ logger: false, genReqId: reports.uuid, forceCloseConnections: true });
app.register(require('@fastify/jwt'), {
  secret: process.env.JWT_SECRET,
  verify: { allowedIss: 'fixxit', allowedAud: 'fixxit', algorithms: ['HS256'] },
});

const signedIn = { onRequest: async (request) => { await request.jwtVerify(); } };

const CREATE = {
  type: 'object', required: ['title', 'category', 'location'],
  properties: {
    title: { type: 'string', minLength: 3, maxLength: 200 },
    description: { type: 'string', maxLength: 5000 },
    category: { type: 'string', enum: Object.keys(reports.CATEGORIES) },
    severity: { type: 'string', enum: ['low', 'medium', 'high', 'critical'] },
    location: {
      type: 'object',
      properties: {
        description: { type: 'string', minLength: 1, maxLength: 500 },
        latitude: { type: 'number', minimum: -90, maximum: 90 },
        longitude: { type: 'number', minimum: -180, maximum: 180 },
        accuracy: { type: 'number', minimum: 0, maximum: 100000 },
      },
    },
    metadata: { type: 'object' },
    tags: { type: 'array', maxItems: 20, items: { type: 'string', minLength: 1, maxLength: 40 } },
    source: { type: 'string', enum: ['web', 'mobile', 'api'] },
  },
};
const ID = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } };
const LIST = { type: 'object', properties: { limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 } } };
const HEALTH = { 200: { type: 'object', properties: { status: { type: 'string' }, timestamp: { type: 'string' } } } };
const SIZE = { type: 'object', properties: { w: { type: 'integer' }, h: { type: 'integer' } } };

const notFound = (reply) => {
  reply.code(404);
  return { success: false, error: { code: 'NOT_FOUND', message: 'There is nothing here' } };
};

app.get('/api/v1/health', { schema: { response: HEALTH } },
  async () => ({ status: 'ok', timestamp: new Date().toISOString() }));

app.get('/api/v1/reports/:id', { ...signedIn, schema: { params: ID } }, async (request, reply) => {
  const data = await reports.getDetail(request.user, request.params.id);
  return data ? { success: true, data } : notFound(reply);
});

app.get('/api/v1/reports', { ...signedIn, schema: { querystring: LIST } }, async (request) => {
  const { data, meta } = await reports.list(request.user, request.query.limit);
  return { success: true, data, meta };
});

app.post('/api/v1/reports', { ...signedIn, schema: { body: CREATE } }, async (request, reply) => {
  const { data, meta } = await reports.create(request.user, request.body,
    { id: request.id, ip: request.ip, userAgent: request.headers['user-agent'] });
  reply.code(201).header('location', `/api/v1/reports/${data.id}`);
  return { success: true, data, meta };
});

app.get('/api/v1/reports/track/:code', async (request, reply) => {
  const text = await reports.track(request.params.code);
  return text ? reply.type('application/json').send(text) : notFound(reply);
});

app.get('/api/v1/files/thumbnail/:id', { ...signedIn, schema: { params: ID, querystring: SIZE } },
  async (request, reply) => {
    const { w, h } = request.query;
    const file = await reports.thumbnail(request.user, request.params.id, w, h);
    return file ? reply.type('image/jpeg').send(fs.createReadStream(file)) : notFound(reply);
  });

const sockets = new WebSocketServer({ noServer: true, maxPayload: 1048576 });
const rooms = new Map();

app.server.on('upgrade', (request, socket, head) => {
  let user;
  try {
    user = app.jwt.verify(new URL(request.url, 'http://localhost').searchParams.get('token'));
  } catch {
    socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    return;
  }
  sockets.handleUpgrade(request, socket, head, (ws) => {
    if (!rooms.has(user.tid)) rooms.set(user.tid, new Set());
    const room = rooms.get(user.tid);
    room.add(ws);
    ws.on('close', () => room.delete(ws));
    ws.send(JSON.stringify({ type: 'auth:ok', user: { id: user.sub } }));
  });
});

reports.onEvent((tenant, frame) => {
  const text = JSON.stringify(frame);
  for (const ws of rooms.get(tenant) ?? []) ws.send(text);
});

app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
