// One report: pictures, facts, history, its work orders, and what a dispatcher does about it.

import { get, picture, post, put } from "./api.js";
import { byId, el } from "./dom.js";
import { latest, stepBadge } from "./escalation.js";
import { badge } from "./feed.js";
import { ago, at, label, place } from "./format.js";

const panel = byId("detail");
// Where each status may lead; the server has the last word.
const MOVES = {
  submitted: ["acknowledged", "rejected"], acknowledged: ["rejected"], in_progress: ["resolved"],
  reopened: ["in_progress", "rejected"], resolved: ["closed", "reopened"], closed: ["reopened"],
};
const MOVE_WORDS = {
  acknowledged: "Acknowledge", rejected: "Reject…", in_progress: "Start", resolved: "Mark resolved",
  closed: "Close", reopened: "Reopen…",
};
const NEEDS_REASON = { rejected: "Why is the report rejected?", reopened: "Why is it opened again?" };
const TAKES_WORK = ["submitted", "acknowledged", "in_progress", "reopened"];
const ASSIGNABLE = ["pending", "assigned", "accepted", "scheduled"];
const PRIORITY = { low: "low", medium: "normal", high: "high", critical: "urgent" };

let current = null; // id of the report that is shown
let turn = 0;
let may = () => false;
let fail = () => {};
let assignees = null; // promise of {technicians, teams}

/** Asks for a reason; resolves to it, or null. */
function ask(question) {
  const dialog = byId("ask");
  dialog.querySelector("span").textContent = question;
  const field = dialog.querySelector("textarea");
  field.value = "";
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    resolve(dialog.returnValue === "ok" ? field.value.trim() : null);
  }, { once: true }));
}

function loadAssignees() {
  assignees ??= Promise.all([get("/users?role=technician&limit=100"), get("/teams?limit=100")]).then(([users, teams]) => ({
    technicians: users.data.filter((user) => user.status === "active"),
    teams: teams.data,
  }));
  assignees.catch(() => { assignees = null; });
  return assignees;
}

// Without the people the report is still worth reading.
function noAssignees(error) {
  fail(error);
  return null;
}

// The value names both kind and id: "user:…" or "team:…".
function assigneeSelect(choices, chosen) {
  const group = (name, kind, rows, text) => el("optgroup", { label: name }, rows.map((row) => {
    const value = `${kind}:${row.id}`;
    return el("option", { value, selected: value === chosen }, text(row));
  }));
  return el("select", { name: "assignee", "aria-label": "Assign to" },
    el("option", { value: "" }, "Nobody yet"),
    group("Teams", "team", choices.teams, (team) => `${team.name} (${team.members.length})`),
    group("Technicians", "user", choices.technicians, (user) => user.fullName || user.email));
}

function assignment(value) {
  const [kind, id] = value.split(":");
  return kind === "team" ? { teamId: id } : { userId: id };
}

// Runs what a button does, with the button off meanwhile; failures are told at the top.
async function act(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    fail(error);
  } finally {
    button.disabled = false;
  }
  if (current) await show(current, { quietly: true });
}

function gallery(report) {
  return el("div", { class: "gallery" }, report.attachments.map((attachment) => {
    const image = el("img", { alt: attachment.caption ?? "Picture of the hazard", width: 160, height: 120 });
    picture(attachment.thumbnailUrl).then((url) => { image.src = url; }, () => button.remove());
    const button = el("button", { type: "button", class: "plain", onclick: async () => {
      const box = byId("lightbox");
      box.querySelector("img").src = await picture(attachment.url);
      box.showModal();
    } }, image);
    return button;
  }));
}

function facts(report) {
  const { name, email, phone } = report.reporter ?? {};
  const reporter = [name, email, phone].filter(Boolean).join(", ")
    || (report.isAnonymous ? "Anonymous" : "A signed-in member");
  const rows = [
    ["Place", place(report.location)],
    ["Reported", `${at(report.createdAt)} by ${report.source}`],
    ["Reporter", reporter],
    ["Due", at(report.slaDueAt)],
    ["Tracking code", report.trackingCode],
    ["Tags", (report.tags ?? []).join(", ")],
  ];
  return el("dl", { class: "facts" }, rows.filter(([, value]) => value)
    .map(([name_, value]) => [el("dt", {}, name_), el("dd", {}, value)]));
}

function moves(report) {
  if (!may("reports.update")) return null;
  return el("div", { class: "row" }, (MOVES[report.status] ?? []).map((status) => el("button", {
    type: "button",
    onclick: async ({ currentTarget }) => {
      const reason = NEEDS_REASON[status] ? await ask(NEEDS_REASON[status]) : undefined;
      if (reason === null) return;
      await act(currentTarget, () => put(`/reports/${report.id}/status`, { status, reason }));
    },
  }, MOVE_WORDS[status])));
}

function orderRow(order, choices) {
  const chosen = order.assignedTo ? `user:${order.assignedTo}` : order.teamId ? `team:${order.teamId}` : "";
  const who = order.assignee?.name ?? order.team?.name;
  const buttons = [];
  if (choices && may("workorders.assign") && ASSIGNABLE.includes(order.status)) {
    const select = assigneeSelect(choices, chosen);
    buttons.push(el("form", { class: "row", onsubmit: (event) => {
      event.preventDefault();
      if (!select.value) return;
      // Said whom we replace, the server can tell us when somebody else was faster.
      act(event.submitter, () => put(`/workorders/${order.id}/assign`, {
        ...assignment(select.value), expectedAssignee: order.assignedTo ?? order.teamId ?? null,
      }));
    } }, select, el("button", {}, chosen ? "Reassign" : "Assign")));
  }
  const step = (action, words, question) => el("button", { type: "button",
    onclick: async ({ currentTarget }) => {
      const reason = question ? await ask(question) : undefined;
      if (reason === null) return;
      await act(currentTarget, () => put(`/workorders/${order.id}/${action}`, { reason }));
    } }, words);
  if (may("workorders.update")) {
    if (order.status === "completed") buttons.push(step("verify", "Verify"));
    if (["pending", "assigned", "accepted", "on_hold"].includes(order.status)) {
      buttons.push(step("cancel", "Cancel…", "Why is the work order cancelled?"));
    }
  }
  return el("li", { class: "order-row" },
    el("p", { class: "line" }, el("strong", {}, order.number), badge("status", order.status),
      badge("priority", order.priority)),
    el("p", { class: "quiet" }, who ? `With ${who}, changed ${ago(order.updatedAt)}` : "With nobody yet"),
    latest(order),
    order.completionNotes ? el("p", {}, order.completionNotes) : null,
    el("div", { class: "row" }, buttons),
    orderHistory(order));
}

const openHistories = new Set(); // ids of work orders whose history is unfolded

const moment = (iso) => el("time", { class: "quiet", dateTime: iso }, at(iso));

// A step of a work order: who did what, or how its time ran out.
function orderChange(change) {
  const { percent } = change.details ?? {};
  const what = change.action === "escalate" ? stepBadge({ percent })
    : el("span", {}, label(change.action));
  return el("li", {}, el("span", { class: "line" }, what, moment(change.createdAt),
    change.changedBy ? el("span", { class: "quiet" }, change.changedBy.name) : null),
  change.reason ? el("p", { class: "quiet" }, change.reason) : null);
}

// Read when it is unfolded: few are.
function orderHistory(order) {
  const list = el("ol", { class: "history" });
  return el("details", { open: openHistories.has(order.id), ontoggle: async ({ target }) => {
    openHistories[target.open ? "add" : "delete"](order.id);
    if (!target.open || list.hasChildNodes()) return;
    try {
      const { data } = await get(`/workorders/${order.id}/history`);
      list.replaceChildren(...data.map(orderChange));
    } catch (error) {
      fail(error);
    }
  } }, el("summary", {}, "Steps"), list);
}

function orderForm(report, choices) {
  const title = el("input", { name: "title", value: report.title, required: true, minLength: 3, maxLength: 200 });
  const priority = el("select", { name: "priority" }, ["low", "normal", "high", "urgent"]
    .map((value) => el("option", { value, selected: value === PRIORITY[report.severity] }, label(value))));
  const who = assigneeSelect(choices, "");
  const message = el("input", { name: "message", maxLength: 1000, placeholder: "A word to them (optional)" });
  return el("form", { class: "order-form", onsubmit: (event) => {
    event.preventDefault();
    act(event.submitter, async () => {
      const { data: order } = await post("/workorders", {
        reportId: report.id, title: title.value, priority: priority.value,
      });
      if (who.value) {
        await put(`/workorders/${order.id}/assign`, {
          ...assignment(who.value), message: message.value || undefined, expectedAssignee: null,
        });
      }
    });
  } },
  el("label", {}, "Title", title),
  el("div", { class: "row" }, el("label", {}, "Priority", priority), el("label", {}, "Assign to", who)),
  el("label", {}, "Message", message),
  el("button", { class: "primary" }, "Create work order"));
}

// Where it stood and how its time ran out, oldest first.
function history(report) {
  const lines = [
    ...report.history.map((change) => ({ ...change, badge: badge("status", change.to) })),
    ...(report.escalations ?? []).map((step) => ({ ...step, badge: stepBadge(step) })),
  ].sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  return el("ol", { class: "history" }, lines.map((line) => el("li", {},
    el("span", { class: "line" }, line.badge, moment(line.createdAt)),
    line.reason ? el("p", { class: "quiet" }, line.reason) : null)));
}

function render(report, choices) {
  const orders = report.workOrders ?? [];
  const canOrder = choices && may("workorders.create") && TAKES_WORK.includes(report.status);
  const children = [
    el("header", {},
      el("button", { type: "button", class: "plain back", onclick: close }, "← Back to the list"),
      el("h2", { tabIndex: -1 }, report.title),
      el("p", { class: "line" }, badge("severity", report.severity), badge("status", report.status),
        el("span", { class: "quiet" }, label(report.category))),
      latest(report)),
    report.attachments.length ? gallery(report) : null,
    report.description ? el("p", { class: "description" }, report.description) : null,
    facts(report),
    moves(report),
    el("h3", {}, "Work orders"),
    orders.length ? el("ul", { class: "orders" }, orders.map((order) => orderRow(order, choices)))
      : el("p", { class: "quiet" }, "None yet."),
    // A second work order is rare: its form is folded away.
    canOrder ? el("details", { open: orders.length === 0 },
      el("summary", {}, orders.length ? "Another work order" : "Create a work order"),
      orderForm(report, choices)) : null,
    el("h3", {}, "History"),
    history(report),
  ];
  panel.replaceChildren(...children.filter(Boolean));
}

/** Whether the person is typing here: then a live change must not take the form away. */
function isBusy() {
  return panel.contains(document.activeElement)
    && document.activeElement.matches("input, select, textarea");
}

/** Shows a report. `quietly` keeps the focus and the place where one reads. */
export async function show(id, { quietly = false } = {}) {
  current = id;
  const mine = ++turn;
  document.body.classList.add("has-detail");
  try {
    const needs = may("workorders.create") || may("workorders.assign");
    const [{ data: report }, choices] = await Promise.all([
      get(`/reports/${id}`), needs ? loadAssignees().catch(noAssignees) : null,
    ]);
    if (mine !== turn) return;
    const scroll = panel.scrollTop;
    render(report, choices);
    panel.scrollTop = quietly ? scroll : 0;
    if (!quietly && matchMedia("(max-width: 800px)").matches) panel.querySelector("h2").focus();
  } catch (error) {
    if (mine === turn) fail(error);
  }
}

const REREAD_MS = 200;
let timer = 0;

/** Something changed about the report: shows it anew, once for many changes, if it is the one that
 *  is shown. */
export function refresh(id) {
  if (!id || id !== current) return;
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (id === current && !isBusy()) show(id, { quietly: true });
  }, REREAD_MS);
}

let onClose = () => {};

export function close() {
  current = null;
  turn += 1;
  document.body.classList.remove("has-detail");
  panel.replaceChildren(el("p", { class: "quiet empty" },
    "Choose a report to see its pictures, history and work orders."));
  onClose();
}

/** start({ may(permission), fail(error), closed() }) */
export function start(given) {
  ({ may, fail } = given);
  onClose = given.closed;
  assignees = null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && current && !document.querySelector("dialog[open]")) close();
});
