// The page at /api-docs in a browser: every call, the search, the keyboard, a phone, the dark.
//   node apidocs.js PORT
import { createRequire } from "node:module";
import { cases, deepEqual, equal, match } from "./cases.js";

const { chromium } = createRequire(process.env.TEST_CLIENTS + "/")("playwright-core");
const base = `http://127.0.0.1:${process.argv[2]}`;
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1300, height: 900 } });
const problems = []; // also what the Content-Security-Policy stops
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));

const api = await (await fetch(`${base}/api/v1/openapi.json`)).json();
const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })));
const links = () => page.locator("#list a");
const focused = () => page.evaluate(() => document.activeElement.hash || document.activeElement.id);

// waitForFunction would evaluate text, which the page's policy forbids.
async function until(holds, argument) {
  while (!await page.evaluate(holds, argument)) await page.waitForTimeout(20);
}

async function open(operation) {
  await page.evaluate((id) => { location.hash = id; }, operation.operationId);
  await until(({ method, path }) =>
    document.querySelector("article h2")?.textContent === method + path, operation);
}

// What `look` sees of each call, in one go: the page has many.
function visitAll(look) {
  return page.evaluate(`(async () => {
    const seen = [];
    for (const id of ${JSON.stringify(["", ...operations.map((one) => one.operationId)])}) {
      if (location.hash.slice(1) === id) continue;
      const changed = new Promise((resolve) => addEventListener("hashchange", resolve, { once: true }));
      location.hash = id;
      await changed;
      if (id) seen.push((${look})());
    }
    return seen;
  })()`);
}

await cases({
  "lists every call": async () => {
    await page.goto(`${base}/api-docs`);
    await links().first().waitFor();
    equal(await links().count(), operations.length);
  },
  "shows each with its words, permission and a command": async () => {
    const known = { public: "anybody", user: "whoever is signed in", platform_admin: "administrators of the platform" };
    const all = await visitAll(() => ({
      title: document.querySelector("article h2").textContent,
      text: document.querySelector("article").textContent,
      command: document.querySelector("pre").textContent,
      answers: document.querySelectorAll(".answer").length,
    }));
    equal(all.length, operations.length);
    operations.forEach((operation, i) => {
      const shown = all[i];
      equal(shown.title, operation.method + operation.path);
      for (const permission of [operation["x-permission"]].flat())
        match(shown.text, (text) => text.includes(known[permission] ?? permission));
      match(shown.text, (text) => text.includes(operation.summary) && text.includes(operation["x-rate-class"]));
      match(shown.command, (command) => command.startsWith("curl ") && !command.includes("undefined"));
      equal(shown.answers, Object.keys(operation.responses).length);
    });
  },
  "opens what is inside of a schema": async () => {
    await open(operations.find((one) => one.operationId === "post_api_v1_reports"));
    const location = page.locator("summary.row", { hasText: "location" }).first();
    await location.click();
    await page.locator(".rows .rows", { hasText: "latitude" }).first().waitFor();
  },
  "opens what an answer holds": async () => {
    await page.locator(".answer .rows", { hasText: "trackingCode" }).first().waitFor();
    await page.locator(".answer summary", { hasText: "429" }).click();
    await page.locator(".answer[open] .rows", { hasText: "Retry-After" }).waitFor();
  },
  "searches by path, words and permission": async () => {
    for (const [query, wanted] of [["assign workorders", "put_api_v1_workorders_id_assign"],
      ["reports.update merge", "post_api_v1_reports_id_merge"], ["as they happen", "get_events"]]) {
      await page.fill("#search", query);
      match(await links().evaluateAll((all) => all.map((one) => one.hash.slice(1))), (found) =>
        found.includes(wanted) && found.length < operations.length / 2);
    }
    await page.fill("#search", "nothing like that");
    equal(await links().count(), 0);
    match(await page.innerText("#count"), (text) => text.startsWith("0 of"));
  },
  "goes by the keyboard": async () => {
    await page.locator("h1").click();
    await page.keyboard.press("/");
    equal(await focused(), "search");
    await page.keyboard.press("Escape");
    equal(await links().count(), operations.length);
    await page.keyboard.type("merge");
    await page.keyboard.press("ArrowDown");
    equal(await focused(), "#post_api_v1_reports_id_merge");
    await page.keyboard.press("Enter");
    await until(() => document.title.startsWith("POST /api/v1/reports/{id}/merge"));
    equal(await page.locator("#list [aria-current]").count(), 1);
    await page.keyboard.press("ArrowUp");
    equal(await focused(), "search");
  },
  "fits a phone": async () => {
    await page.setViewportSize({ width: 360, height: 700 });
    const widths = await visitAll(() => document.documentElement.scrollWidth);
    deepEqual(operations.filter((_, i) => widths[i] !== 360).map((one) => one.operationId), []);
    await page.locator(".back").click();
    await links().first().waitFor({ state: "visible" });
    equal(await page.locator("article").first().isVisible(), false);
  },
  "is dark in the dark": async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await ground();
    await page.emulateMedia({ colorScheme: "dark" });
    match([light, await ground()], ([one, other]) => one !== other);
  },
  "complains about nothing": async () => {
    deepEqual(problems, []);
  },
}, 120);
