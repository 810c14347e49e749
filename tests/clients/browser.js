// Chromium on the dashboard: signs in, and sees a report arrive that somebody else makes.
//   node browser.js PORT SCREENSHOT
import { createRequire } from "node:module";
import { cases, equal, match } from "./cases.js";

const { chromium } = createRequire(process.env.TEST_CLIENTS + "/")("playwright-core");
const [port, screenshot] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;
const title = `A lamp that went out ${Date.now()}`;

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));

await cases({
  "signs in": async () => {
    await page.goto(`${base}/dashboard`);
    await page.fill("input[type=email]", "dispatcher@riverton.example");
    await page.fill("input[type=password]", "Fixxit-demo-2026");
    await page.press("input[type=password]", "Enter");
    await page.waitForSelector("input[type=password]", { state: "hidden" });
  },
  "sees a report arrive live": async () => {
    await page.waitForTimeout(500);
    const answer = await fetch(`${base}/api/v1/reports`, { method: "POST",
      headers: { "content-type": "application/json", "x-tenant": "riverton" },
      body: JSON.stringify({ title, category: "street_light", location: { latitude: 51.4, longitude: -2.5 } }) });
    equal(answer.status, 201);
    await page.waitForSelector(`text=${title}`);
    if (screenshot) await page.screenshot({ path: screenshot });
  },
  "complains about nothing": async () => {
    match(problems, (list) => list.length === 0);
  },
});
