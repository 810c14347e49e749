// The EventSource of a browser on GET /events, through the death of the worker that serves it.
//   node event_source.js PORT TOKEN PID...
import { createRequire } from "node:module";
import { cases, deepEqual, equal, match } from "./cases.js";

const { chromium } = createRequire(process.env.TEST_CLIENTS + "/")("playwright-core");
const [port, token, ...pids] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ bypassCSP: true }); // waitForFunction evaluates text
const made = [];

// Until it is answered: a worker may have just died.
async function report() {
  const title = `Lamp ${made.length + 1}`;
  for (;;) {
    const answer = await fetch(`${base}/api/v1/reports`, { method: "POST",
      headers: { "content-type": "application/json", "x-tenant": "riverton", "idempotency-key": `lamp-${made.length}` },
      body: JSON.stringify({ title, category: "other", location: { description: "by the gate" } }) }).catch(() => null);
    if (answer?.status === 201) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  made.push(title);
}

const heard = () => page.evaluate(() => window.heard);
const hearAll = () => page.waitForFunction((count) => window.heard.length >= count, made.length);

await cases({
  "hears events by their names": async () => {
    await page.goto(`${base}/api-docs`);
    await page.evaluate((secret) => {
      window.heard = [];
      window.opened = 0;
      window.source = new EventSource(`/events?token=${secret}`);
      window.source.addEventListener("open", () => { window.opened += 1; });
      window.source.addEventListener("auth:ok", () => { window.ready = true; });
      window.source.addEventListener("report:created", (event) => {
        window.heard.push(JSON.parse(event.data).data.title);
      });
    }, token);
    await page.waitForFunction(() => window.ready);
    await report();
    await hearAll();
    deepEqual(await heard(), made);
  },
  "comes back by itself and has missed nothing": async () => {
    for (const pid of pids) process.kill(Number(pid), "SIGKILL");
    for (let i = 0; i < 5; i++) await report();
    await hearAll();
    await report();
    await hearAll();
    deepEqual(await heard(), made);
    match(await page.evaluate(() => window.opened), (times) => times > 1);
  },
  "does not come back after a refusal": async () => {
    const state = await page.evaluate(() => new Promise((resolve) => {
      const source = new EventSource("/events?token=garbage");
      source.addEventListener("error", () => resolve(source.readyState));
    }));
    equal(state, 2);
  },
});
