// Puts the page together: sign-in, views, the live connection.

import * as api from "./api.js";
import * as board from "./board.js";
import * as detail from "./detail.js";
import { byId, el } from "./dom.js";
import { stepBadge } from "./escalation.js";
import * as feed from "./feed.js";
import * as live from "./live.js";

const STATES = { live: "Live", connecting: "Connecting…", lost: "Connection lost, trying again…" };
const ALERT_MS = 10_000;
const ESCALATED_MS = 60_000;

let permissions = new Set();
let unseen = 0;
let alertTimer = 0;

function fail(error) {
  if (error.status === 401) return; // the sign-in page says it
  const box = byId("alert");
  box.textContent = error.code === "ASSIGN_RACE"
    ? "Somebody else has just assigned this work order. It is shown as it is now." : error.message;
  box.hidden = false;
  clearTimeout(alertTimer);
  alertTimer = setTimeout(() => { box.hidden = true; }, ALERT_MS);
}

function setUnseen(count) {
  unseen = count;
  byId("unseen").hidden = count === 0;
  byId("unseen").textContent = count;
  document.title = count ? `(${count}) Fixxit dashboard` : "Fixxit dashboard";
}

function isWatched() {
  return document.visibilityState === "visible" && !byId("feed").hidden;
}

function showView(name) {
  byId("feed").hidden = name !== "feed";
  byId("board").hidden = name !== "board";
  for (const tab of document.querySelectorAll("[data-view]")) {
    if (tab.dataset.view === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (name === "board") board.load().catch(fail);
  else setUnseen(0);
}

let barTimer = 0;

// Says whose time is running out, also of what is further down than the list goes; leads there.
function showEscalation(escalation, title, reportId) {
  const bar = byId("escalated");
  const clear = () => bar.replaceChildren();
  bar.replaceChildren(el("button", { type: "button", class: "plain line", onclick: () => {
    clear();
    showView("feed");
    if (reportId) feed.select(reportId);
  } }, stepBadge(escalation), el("span", { class: "title" }, title)));
  clearTimeout(barTimer);
  barTimer = setTimeout(clear, ESCALATED_MS);
}

function onEvent(name, data, when) {
  if (name === "report:created") {
    if (!feed.onCreated(data)) return;
    byId("announcer").textContent = `New ${data.severity} report: ${data.title}`;
    if (!isWatched()) setUnseen(unseen + 1);
  } else if (name === "report:updated") {
    feed.onUpdated(data);
    if (data.deleted && feed.selectedId() === data.id) detail.close();
    else detail.refresh(data.id);
  } else if (name === "report:escalated") {
    feed.onEscalated(data, when);
    showEscalation(data.escalation, data.title, data.id);
    detail.refresh(data.id);
  } else if (name.startsWith("workorder:")) {
    if (data.escalation) showEscalation(data.escalation, `${data.number} ${data.title}`, data.reportId);
    board.refresh(fail);
    detail.refresh(data.reportId);
  } else if (name === "remediation:completed") {
    detail.refresh(feed.selectedId());
  }
}

function onState(state) {
  const box = byId("connection");
  box.dataset.state = state;
  box.textContent = STATES[state];
}

function readAgain() {
  feed.load().catch(fail);
  board.refresh(fail);
  detail.refresh(feed.selectedId());
}

function enter(user) {
  permissions = new Set(user.permissions);
  byId("signin").hidden = true;
  byId("shell").hidden = false;
  byId("tenant").textContent = user.tenant?.name ?? "Fixxit";
  byId("user").textContent = user.fullName || user.email;
  document.querySelector('[data-view="board"]').hidden = !permissions.has("workorders.read")
    && !permissions.has("workorders.work");
  const may = (permission) => permissions.has(permission);
  feed.allow(may);
  detail.start({ may, fail, closed: () => feed.select(null) });
  showView("feed");
  // Connected before the list is read: what comes in between is there twice rather than never.
  live.start({ event: onEvent, state: onState, resync: readAgain });
  feed.load().catch(fail);
}

function leave(message) {
  live.stop();
  byId("escalated").replaceChildren();
  detail.close();
  byId("shell").hidden = true;
  byId("signin").hidden = false;
  const error = byId("signin-error");
  error.hidden = !message;
  error.textContent = message ?? "";
  byId("signin-form").elements.email.focus();
}

let mfaToken = null; // while the second step of a sign-in is asked for

function askForCode(token) {
  mfaToken = token;
  const form = byId("signin-form");
  byId("signin-code").hidden = !token;
  form.elements.code.value = "";
  if (token) form.elements.code.focus();
}

function signIn({ email, password, code }) {
  return mfaToken && code.value ? api.secondStep(mfaToken, code.value.trim())
    : api.signIn(email.value.trim(), password.value);
}

byId("signin-form").addEventListener("input", (event) => {
  if (event.target.name !== "code" && mfaToken) askForCode(null);
});
byId("signin-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const button = form.querySelector("button");
  const error = byId("signin-error");
  button.disabled = true;
  error.hidden = true;
  try {
    const user = await signIn(form.elements);
    askForCode(null);
    form.reset();
    enter(user);
  } catch (problem) {
    if (problem.mfaToken) return askForCode(problem.mfaToken);
    error.textContent = problem.message;
    error.hidden = false;
    if (mfaToken && problem.code !== "INVALID_CODE") askForCode(null);
    form.elements[mfaToken ? "code" : "password"].select();
  } finally {
    button.disabled = false;
  }
});

byId("signout").addEventListener("click", async () => {
  await api.signOut();
  leave();
});
for (const tab of document.querySelectorAll("[data-view]")) {
  tab.addEventListener("click", () => showView(tab.dataset.view));
}
document.addEventListener("visibilitychange", () => {
  if (isWatched()) setUnseen(0);
});

api.on("signedOut", () => leave("Your session is over. Please sign in again."));
feed.start({ choose: (id) => detail.show(id), fail });
board.start({ open: (id) => {
  showView("feed");
  feed.select(id);
} });

if (api.mayRenew()) api.renew().then(enter, () => leave());
else leave();
