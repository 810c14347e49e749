// Express 4 with what its users reach for: jsonwebtoken, socket.io. No log, no rate limit, no
// security headers: all of these Fixxit has in its figures and this has not.
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');
const express = require('express');
const jwt = require('jsonwebtoken');
const { Server } = require('socket.io');
const reports = require('./reports');

const SEVERITIES = ['low', 'medium', 'high', 'critical'];
const SOURCES = ['web', 'mobile', 'api'];
const JWT = { algorithms: ['HS256'], issuer: 'fixxit', audience: 'fixxit' };
const key = crypto.createSecretKey(Buffer.from(process.env.JWT_SECRET));

const app = express();
const signedIn = (request, response, next) => {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  try {
    request.user = jwt.verify(token, key, JWT);
  } catch {
    response.status(401).json({ success: false, error: { code: 'UNAUTHORIZED', message: 'Sign in first' } });
    return;
  }
  next();
};

const isText = (value, min, max) => typeof value === 'string' && value.length >= min && value.length <= max;
const isNumber = (value, min, max) => typeof value === 'number' && value >= min && value <= max;
const unless = (value, check) => value === undefined || check(value);

// The names of the fields that are wrong.
function problemsOf(body) {
  const location = body.location ?? {};
  const checks = {
    title: isText(body.title, 3, 200),
    description: unless(body.description, (text) => isText(text, 0, 5000)),
    category: Object.hasOwn(reports.CATEGORIES, body.category),
    severity: unless(body.severity, (text) => SEVERITIES.includes(text)),
    location: typeof body.location === 'object',
    'location.description': unless(location.description, (text) => isText(text, 1, 500)),
    'location.latitude': unless(location.latitude, (number) => isNumber(number, -90, 90)),
    'location.longitude': unless(location.longitude, (number) => isNumber(number, -180, 180)),
    'location.accuracy': unless(location.accuracy, (number) => isNumber(number, 0, 100000)),
    metadata: unless(body.metadata, (value) => typeof value === 'object'),
    tags: unless(body.tags, (list) => Array.isArray(list) && list.length <= 20
      && list.every((tag) => isText(tag, 1, 40))),
    source: unless(body.source, (text) => SOURCES.includes(text)),
  };
  return Object.keys(checks).filter((name) => !checks[name]);
}

const notFound = (response) => response.status(404)
  .json({ success: false, error: { code: 'NOT_FOUND', message: 'There is nothing here' } });

// Express 4 does not wait for handlers by itself.
const waits = (handler) => (request, response, next) => handler(request, response).catch(next);

app.get('/api/v1/health', (request, response) => {
  response.json({ status: 'ok', timestamp: new Date().toISOString() });
});

app.get('/api/v1/reports/track/:code', waits(async (request, response) => {
  const text = await reports.track(request.params.code);
  if (text) response.type('json').send(text); else notFound(response);
}));

app.get('/api/v1/reports/:id', signedIn, waits(async (request, response) => {
  const data = await reports.getDetail(request.user, request.params.id);
  if (data) response.json({ success: true, data }); else notFound(response);
}));

app.get('/api/v1/reports', signedIn, waits(async (request, response) => {
  const { data, meta } = await reports.list(request.user, Number(request.query.limit ?? 20));
  response.json({ success: true, data, meta });
}));

app.post('/api/v1/reports', signedIn, express.json(), waits(async (request, response) => {
  const problems = problemsOf(request.body);
  if (problems.length > 0) {
    response.status(400).json({ success: false, error: { code: 'VALIDATION_ERROR', details: problems } });
    return;
  }
  const { data, meta } = await reports.create(request.user, request.body,
    { id: reports.uuid(), ip: request.ip, userAgent: request.headers['user-agent'] });
  response.status(201).location(`/api/v1/reports/${data.id}`).json({ success: true, data, meta });
}));

app.get('/api/v1/files/thumbnail/:id', signedIn, waits(async (request, response) => {
  const { w, h } = request.query;
  const file = await reports.thumbnail(request.user, request.params.id, Number(w), Number(h));
  if (file) response.type('image/jpeg').sendFile(file); else notFound(response);
}));

const server = http.createServer(app);
const io = new Server(server, { transports: ['websocket'] });
io.use((socket, next) => {
  try {
    socket.data.user = jwt.verify(socket.handshake.query.token, key, JWT);
    next();
  } catch {
    next(new Error('UNAUTHORIZED'));
  }
});
io.on('connection', (socket) => socket.join(socket.data.user.tid));
reports.onEvent((tenant, frame) => io.to(tenant).emit('event', frame));

server.listen(Number(process.env.PORT), '127.0.0.1');
