// undici (the client inside of Node.js), which is strict about what it is answered: pipelining,
// keep-alive, streams both ways, fetch with forms and conditions, its WebSocket.
//   node undici.js PORT
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";
import { Readable } from "node:stream";
import { cases, deepEqual, equal, match } from "./cases.js";

const { Agent, Client, FormData, WebSocket, fetch, setGlobalDispatcher } = createRequire(process.env.TEST_CLIENTS + "/")("undici");
const base = `http://127.0.0.1:${process.argv[2]}`;
const api = `${base}/api/v1`;
const report = { title: "Broken lamp", category: "street_light", location: { latitude: 51.4, longitude: -2.5 } };
const tenant = { "x-tenant": "riverton" };
const json = { "content-type": "application/json" };

setGlobalDispatcher(new Agent({ connections: 20, pipelining: 1 }));

async function ask(client, options) {
  const answer = await client.request({ method: "GET", ...options });
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) };
}

await cases({
  "a thousand requests in pipelines of ten, in order": async () => {
    const client = new Client(base, { pipelining: 10 });
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) =>
      ask(client, { path: i % 2 ? "/health" : `/api/v1/nothing/${i}`, headers: { "x-request-id": `n${i}` } })));
    answers.forEach((answer, i) => {
      equal(answer.status, i % 2 ? 200 : 404);
      equal(answer.headers["x-request-id"], `n${i}`);
    });
    await client.close();
  },
  "all methods on one connection": async () => {
    const client = new Client(base);
    let connects = 0;
    client.on("connect", () => connects++);
    for (const [method, path, status] of [["GET", "/health", 200], ["HEAD", "/health", 200], ["OPTIONS", "/api/v1/reports", 204],
      ["PUT", "/api/v1/users/profile", 401], ["DELETE", "/health", 405], ["PATCH", "/api/v1/reports", 405],
      ["HEAD", "/nothing", 404], ["GET", "/health", 200]]) {
      equal((await ask(client, { method, path, reset: false })).status, status, `${method} ${path}`);
    }
    equal(connects, 1);
    await client.close();
  },
  "a body that streams, of a length that nobody knows": async () => {
    const client = new Client(base);
    const body = Readable.from((function* () {
      for (const letter of JSON.stringify(report)) yield letter;
    })());
    const answer = await ask(client, { method: "POST", path: "/api/v1/reports", headers: { ...tenant, ...json }, body });
    equal(answer.status, 201, answer.body.toString());
    await client.close();
  },
  "a body too large is refused, and the refusal is read": async () => {
    const answer = await fetch(`${api}/auth/login`, { method: "POST", headers: json, body: "x".repeat(2 ** 21) });
    equal(answer.status, 413);
    equal((await answer.json()).error.code, "PAYLOAD_TOO_LARGE");
  },
  "100-continue": async () => {
    const client = new Client(base, { pipelining: 0 });
    const answer = await ask(client, { method: "POST", path: "/api/v1/reports", headers: { ...tenant, ...json },
      body: JSON.stringify(report), expectContinue: true }).catch((error) => ({ status: error.code }));
    match(answer.status, (status) => status === 201 || status === "UND_ERR_NOT_SUPPORTED");
    await client.close();
  },
  "a form with a file": async () => {
    const form = new FormData();
    form.set("data", JSON.stringify(report));
    const answer = await fetch(`${api}/reports`, { method: "POST", headers: tenant, body: form });
    equal(answer.status, 201);
    match(answer.headers.get("location"), (text) => text.startsWith("/api/v1/reports/"));
  },
  "what is compressed is what is not": async () => {
    const client = new Client(base);
    const plain = await ask(client, { path: "/api/v1/openapi.json" });
    const zipped = await ask(client, { path: "/api/v1/openapi.json", headers: { "accept-encoding": "gzip" } });
    equal(zipped.headers["content-encoding"], "gzip");
    match(zipped.headers.vary, (vary) => vary.includes("Accept-Encoding"));
    deepEqual(gunzipSync(zipped.body), plain.body);
    await client.close();
  },
  "a page that it has already": async () => {
    const first = await fetch(`${base}/dashboard`);
    const again = await fetch(`${base}/dashboard`, { headers: { "if-none-match": first.headers.get("etag") } });
    equal(again.status, 304);
    equal(await again.text(), "");
  },
  "a file in parts": async () => {
    const whole = Buffer.from(await (await fetch(`${base}/dashboard/detail.js`, { headers: { "accept-encoding": "identity" } })).arrayBuffer());
    const parts = [];
    for (let at = 0; at < whole.length; at += 1000) {
      const part = await fetch(`${base}/dashboard/detail.js`, { headers: { range: `bytes=${at}-${at + 999}` } });
      equal(part.status, 206);
      parts.push(Buffer.from(await part.arrayBuffer()));
    }
    deepEqual(Buffer.concat(parts), whole);
  },
  "requests that are given up": async () => {
    await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const end = AbortSignal.timeout(1 + i % 10);
      await fetch(`${api}/openapi.json`, { signal: end }).then((answer) => answer.text()).catch(() => {});
    }));
    equal((await fetch(`${base}/health`)).status, 200);
  },
  "its WebSocket": async () => {
    const socket = new WebSocket(base.replace("http", "ws") + "/ws");
    const heard = [];
    await new Promise((resolve, reject) => {
      socket.addEventListener("error", reject);
      socket.addEventListener("message", ({ data }) => {
        heard.push(JSON.parse(data).type);
        if (heard.length === 1) socket.send('{"type":"ping"}');
        else socket.close(1000);
      });
      socket.addEventListener("close", ({ code }) => (code === 1000 ? resolve() : reject(new Error(`${code}`))));
    });
    deepEqual(heard, ["welcome", "pong"]);
  },
});
