// The pages about accounts in a browser: a mail's link, a lost password, signing in in two steps.
//   node account_pages.js PORT
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { cases, equal } from "./cases.js";

const { chromium } = createRequire(process.env.TEST_CLIENTS + "/")("playwright-core");
const base = `http://127.0.0.1:${process.argv[2]}`;
const api = `${base}/api/v1`;
const password = "Fixxit-demo-2026";
const next = "Hjkl-4242-uiop";
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const problems = [];

async function call(method, path, body, token) {
  const answer = await fetch(api + path, {
    method,
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, ...(await answer.json()) };
}

async function register(email) {
  return (await call("POST", "/auth/register", { email, password, fullName: "Ann Archer", tenant: "riverton" })).data;
}

async function mail(to, subject) {
  for (;;) {
    const list = await (await fetch(`${base}/dev/mailbox.json?to=${to}`)).json();
    const found = list.find((message) => message.subject.includes(subject));
    if (found) return found.text.match(/https?:\S+/)[0];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function page(url) {
  const made = await browser.newPage();
  made.on("console", (message) => message.type() === "error" && !/status of 4\d\d/.test(message.text()) && problems.push(message.text()));
  made.on("pageerror", (error) => problems.push(String(error)));
  await made.goto(url);
  return made;
}

function code(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, "0");
}

await cases({
  "the link of a mail confirms the address and hides its secret": async () => {
    const { accessToken } = await register("link@pages.example");
    const shown = await page(await mail("link@pages.example", "Confirm"));
    await shown.getByText("Your address is confirmed").waitFor();
    equal(new URL(shown.url()).search, "");
    equal((await call("GET", "/users/me", undefined, accessToken)).data.emailVerified, true);
    await shown.close();
  },
  "a used link says so": async () => {
    const shown = await page(`${base}/verify-email?token=used`);
    await shown.getByText("was used already").waitFor();
    await shown.close();
  },
  "a lost password is replaced from the sign-in page on": async () => {
    await register("lost@pages.example");
    const shown = await page(`${base}/dashboard`);
    await shown.getByRole("link", { name: "Forgot the password?" }).click();
    await shown.getByLabel("Your e-mail address").fill("lost@pages.example");
    await shown.getByRole("button", { name: "Send the mail" }).click();
    await shown.getByText("a mail is on its way").waitFor();
    await shown.goto(await mail("lost@pages.example", "Choose"));
    await shown.getByLabel("New password").fill("Password123");
    await shown.getByRole("button", { name: "Set the password" }).click();
    await shown.getByText("The password is one of the passwords that are tried first").waitFor();
    await shown.getByLabel("New password").fill(next);
    await shown.getByRole("button", { name: "Set the password" }).click();
    await shown.getByText("Your password is changed").waitFor();
    equal((await call("POST", "/auth/login", { email: "lost@pages.example", password: next })).status, 200);
    await shown.close();
  },
  "the dashboard asks for the second step": async () => {
    const { accessToken } = await register("two@pages.example");
    const { secret } = (await call("POST", "/auth/mfa/setup", {}, accessToken)).data;
    const on = await call("POST", "/auth/mfa/enable", { code: code(secret, -1) }, accessToken);
    equal(on.status, 200);
    for (const proof of [() => code(secret), () => on.data.recoveryCodes[0]]) {
      const context = await browser.newContext();
      const shown = await context.newPage();
      await shown.goto(`${base}/dashboard`);
      await shown.getByLabel("E-mail").fill("two@pages.example");
      await shown.getByLabel("Password").fill(password);
      await shown.getByRole("button", { name: "Sign in" }).click();
      const field = shown.getByLabel("Code of your authenticator app");
      await field.fill("000000");
      await shown.getByRole("button", { name: "Sign in" }).click();
      await shown.getByText("The code is wrong").waitFor();
      await field.fill(proof());
      await shown.getByRole("button", { name: "Sign in" }).click();
      await shown.getByRole("button", { name: "Sign out" }).waitFor();
      await context.close();
    }
  },
  "an invitation makes an account, or is accepted with one": async () => {
    const { accessToken } = await register("host@pages.example");
    const workspace = (await call("POST", "/workspaces", { name: "Pages" }, accessToken)).data.id;
    const invite = (email) => call("POST", `/workspaces/${workspace}/members/invite`, { email, role: "viewer" }, accessToken);
    await invite("guest@pages.example");
    let shown = await page(await mail("guest@pages.example", "An invitation"));
    equal(new URL(shown.url()).search, "");
    await shown.getByLabel("Your e-mail address").fill("guest@pages.example");
    await shown.getByLabel("Your name").fill("Gus Guest");
    await shown.getByLabel("Password").fill("short");
    await shown.getByRole("button", { name: "Accept" }).click();
    await shown.getByText("password must have").waitFor();
    await shown.getByLabel("Password").fill(password);
    await shown.getByRole("button", { name: "Accept" }).click();
    await shown.getByText("You are a member now").waitFor();
    await shown.close();
    const known = await register("known@pages.example");
    await invite("known@pages.example");
    shown = await page(await mail("known@pages.example", "An invitation"));
    await shown.getByLabel("I have an account").check();
    await shown.getByLabel("Your e-mail address").fill("known@pages.example");
    await shown.getByLabel("Password").fill(password);
    await shown.getByRole("button", { name: "Accept" }).click();
    await shown.getByText("You are a member now").waitFor();
    equal((await call("GET", `/workspaces/${workspace}`, undefined, known.accessToken)).data.role, "viewer");
    await shown.close();
  },
  "the mailbox shows mails as they come": async () => {
    const shown = await page(`${base}/dev/mailbox`);
    await register("live@pages.example");
    await shown.getByRole("button", { name: "live@pages.example" }).first().click();
    await shown.frameLocator("iframe").getByText("Hello Ann").waitFor();
    await shown.getByRole("button", { name: "Text" }).click();
    await shown.getByText("Hello Ann").waitFor();
    await shown.close();
  },
  "no page breaks its own rules": async () => equal(problems.join("\n"), ""),
});
