// Chromium on the dashboard, while the time for a report and its work order runs out: what happened
// before is there when the page is read, what happens then is seen live.
//   node escalations.js PORT TITLE COMMAND    COMMAND makes the next step of the clocks due
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { cases, equal, match } from "./cases.js";

const { chromium } = createRequire(process.env.TEST_CLIENTS + "/")("playwright-core");
const [port, title, command, screenshots] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));

const HALF = "Due soon · 50 % of the time is over";
const ALL = "Overdue · 100 % of the time is over";
const card = page.locator("#reports .report", { hasText: title });
const lane = page.locator("#board .order", { hasText: title });
const texts = (locator) => locator.allTextContents();

async function shoot(name) {
  if (screenshots) await page.screenshot({ path: `${screenshots}-${name}.png` });
}

// WCAG's contrast of a colour on another.
function contrast(colours) {
  const [one, other] = colours.map((colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map((part) => {
      const value = part / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

await cases({
  "shows on load what step was taken, and when": async () => {
    await page.goto(`http://127.0.0.1:${port}/dashboard`);
    await page.fill("input[type=email]", "dispatcher@riverton.example");
    await page.fill("input[type=password]", "Fixxit-demo-2026");
    await page.press("input[type=password]", "Enter");
    await card.locator(".escalation").waitFor();
    equal(await card.locator(".escalation").textContent(), HALF);
    match(await card.locator(".escalated time").getAttribute("datetime"),
      (time) => Math.abs(Date.now() - new Date(time)) < 600_000);
    await page.waitForSelector("#connection[data-state=live]");
  },
  "shows it in the detail and its history": async () => {
    await card.click();
    await page.locator("#detail header .escalation").waitFor();
    equal((await texts(page.locator("#detail > .history .escalation"))).join(), HALF);
    equal((await texts(page.locator("#detail .order-row > .escalated .escalation"))).join(), HALF);
  },
  "shows the next step live, and says it": async () => {
    execFileSync("sh", ["-c", command]);
    await card.locator(".escalation.overdue").waitFor();
    equal(await card.locator(".escalation").textContent(), ALL);
    await page.locator("#detail header .escalation.overdue").waitFor();
    await page.locator("#detail .order-row > .escalated .overdue").waitFor();
    equal((await texts(page.locator("#detail > .history .escalation"))).join(), `${HALF},${ALL}`);
    match(await page.locator("#escalated[role=status]").textContent(), (text) => text.startsWith(ALL) && text.includes(title));
    await shoot("light");
  },
  "leads to what it says": async () => {
    await page.keyboard.press("Escape");
    await page.locator("#detail header").waitFor({ state: "detached" });
    await page.click("#escalated button");
    await page.locator("#detail h2", { hasText: title }).waitFor();
  },
  "shows the steps of the work order": async () => {
    await page.click("#detail .order-row summary");
    await page.locator("#detail .order-row .history .escalation.overdue").waitFor();
    equal((await texts(page.locator("#detail .order-row .history .escalation"))).join(), `${HALF},${ALL}`);
  },
  "can be read in the light and in the dark": async () => {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const badge of await page.locator(".badge.escalation").all()) {
        const colours = await badge.evaluate((element) => {
          const style = getComputedStyle(element);
          return [style.color, style.backgroundColor];
        });
        match(contrast(colours), (value) => value >= 4.5);
      }
    }
    await shoot("dark");
  },
  "shows it on the board": async () => {
    await page.click("[data-view=board]");
    await lane.locator(".escalation.overdue").waitFor();
    equal(await lane.locator(".escalation").textContent(), ALL);
    await shoot("board");
  },
  "complains about nothing": async () => {
    equal(problems.join("\n"), "");
  },
}, 60);
