// The npm package ws against /ws: what its users do, and what they should not. Prints a line a
// case; exits 1 when one failed.
//   node ws.js PORT TOKEN
import { createRequire } from "node:module";
import { cases, equal, match } from "./cases.js";

const WebSocket = createRequire(process.env.TEST_CLIENTS + "/")("ws");
const [port, token] = process.argv.slice(2);
const MIB = 1024 * 1024;

// A connection with a queue of what it heard.
function open(options, query = "") {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws${query}`, options);
  const heard = [];
  const waiting = [];
  const put = (event) => (waiting.length ? waiting.shift()(event) : heard.push(event));
  socket.on("message", (data, binary) => put({ text: data.toString(), binary }));
  socket.on("close", (code) => put({ code }));
  socket.on("error", (error) => put({ error }));
  socket.on("pong", (data) => put({ pong: data.toString() }));
  socket.on("unexpected-response", (_, answer) => put({ status: answer.statusCode }));
  socket.next = () => new Promise((resolve) => (heard.length ? resolve(heard.shift()) : waiting.push(resolve)));
  return socket;
}

async function welcomed(options, query) {
  const socket = open(options, query);
  const { text } = await socket.next();
  equal(JSON.parse(text).type, "welcome");
  return socket;
}

async function heard(socket, type) {
  for (;;) {
    const event = await socket.next();
    if (!event.text) throw new Error(`instead of ${type}: ${JSON.stringify(event)}`);
    const frame = JSON.parse(event.text);
    if (frame.type === type) return frame;
  }
}

async function pinged(socket) {
  socket.send('{"type":"ping"}');
  await heard(socket, "pong");
}

function send(socket, ...args) {
  return new Promise((resolve) => socket.send(...args, resolve));
}

await cases({
  "opens, and closes with a code": async () => {
    const socket = await welcomed();
    socket.close(1000, "bye");
    equal((await socket.next()).code, 1000);
  },
  "signs in by the query": async () => {
    const socket = await welcomed({}, `?token=${token}`);
    match((await heard(socket, "auth:ok")).user, (user) => user);
    socket.close();
  },
  "signs in by a frame": async () => {
    const socket = await welcomed();
    socket.send(JSON.stringify({ type: "auth", token }));
    await heard(socket, "auth:ok");
    socket.close();
  },
  "is told when it may not": async () => {
    const socket = await welcomed();
    socket.send(JSON.stringify({ type: "auth", token: "x.y.z" }));
    equal((await heard(socket, "error")).code, "UNAUTHORIZED");
    equal((await socket.next()).code, 4401);
  },
  "agrees upon compression": async () => {
    const socket = await welcomed({ perMessageDeflate: true });
    match(socket.extensions, (text) => text.includes("permessage-deflate"));
    socket.send('{"type":"ping"' + " ".repeat(100000) + "}");
    await heard(socket, "pong");
    socket.close();
  },
  "with a small window": async () => {
    const socket = await welcomed({ perMessageDeflate: { serverMaxWindowBits: 9, threshold: 0 } });
    for (let i = 0; i < 20; i++) await pinged(socket);
    socket.close();
  },
  "does without compression": async () => {
    const socket = await welcomed({ perMessageDeflate: false });
    equal(socket.extensions, "");
    await pinged(socket);
    socket.close();
  },
  "sends fragments, compressed and not": async () => {
    for (const compress of [false, true]) {
      const socket = await welcomed();
      for (const part of ['{"ty', 'pe":', '"pi']) await send(socket, part, { fin: false, compress });
      await send(socket, 'ng"}', { fin: true });
      await heard(socket, "pong");
      socket.close();
    }
  },
  "pings between fragments": async () => {
    const socket = await welcomed();
    await send(socket, '{"type":', { fin: false });
    socket.ping("between");
    equal((await socket.next()).pong, "between");
    await send(socket, '"ping"}', { fin: true });
    await heard(socket, "pong");
    socket.close();
  },
  "sends a message at the limit and one above": async () => {
    for (const perMessageDeflate of [false, true]) {
      const socket = await welcomed({ perMessageDeflate });
      socket.send('{"type":"ping"}' + " ".repeat(MIB - 15));
      await heard(socket, "pong");
      socket.send('{"type":"ping"}' + " ".repeat(MIB - 14));
      equal((await socket.next()).code, 1009);
    }
  },
  "sends binary, which is of no use": async () => {
    const socket = await welcomed();
    socket.send(Buffer.from([0, 255]));
    await heard(socket, "error");
    socket.terminate();
  },
  "sends characters of all widths": async () => {
    const socket = await welcomed();
    socket.send('{"type":"ping","x":"aé€💩"}');
    await heard(socket, "pong");
    socket.close();
  },
  "offers subprotocols, of which none is ours": async () => {
    const socket = open({}, "");
    await heard(socket, "welcome");
    equal(socket.protocol, "");
    socket.close();
  },
  "is refused from elsewhere": async () => {
    const socket = open({ origin: "https://evil.example" });
    equal((await socket.next()).status, 403);
  },
  "finds nothing at another path": async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/nothing`);
    const status = await new Promise((resolve) => {
      socket.on("unexpected-response", (_, answer) => resolve(answer.statusCode));
    });
    equal(status, 404);
  },
  "sends a thousand frames without waiting": async () => {
    const socket = await welcomed();
    for (let i = 0; i < 1000; i++) socket.send('{"type":"ping"}');
    for (let i = 0; i < 1000; i++) await heard(socket, "pong");
    socket.close();
  },
  "comes two hundred times at once": async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => welcomed()));
    await Promise.all(sockets.map(pinged));
    await Promise.all(sockets.map((socket) => (socket.close(1000), socket.next())));
  },
  "leaves without a word": async () => {
    for (let i = 0; i < 50; i++) (await welcomed()).terminate();
    (await welcomed()).close();
  },
});
