// Runs a server as two processes: node cluster.js fastify.js
'use strict';

const cluster = require('node:cluster');
const path = require('node:path');

const PROCESSES = 2;

if (cluster.isPrimary) {
  for (let i = 0; i < PROCESSES; i++) cluster.fork();
  cluster.on('exit', () => process.exit(1));
} else {
  require(path.join(__dirname, process.argv[2]));
}
