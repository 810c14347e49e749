// Work orders by status, in columns.

import { get } from "./api.js";
import { byId, el } from "./dom.js";
import { latest } from "./escalation.js";
import { badge } from "./feed.js";
import { ago, place } from "./format.js";

const board = byId("board");
const REREAD_MS = 400;
let timer = 0;
let open = () => {};

function card(order) {
  const who = order.assignee?.name ?? order.team?.name ?? "Nobody yet";
  return el("li", {},
    el("button", { type: "button", class: `order priority-${order.priority}`,
      disabled: !order.reportId, onclick: () => open(order.reportId) },
    el("span", { class: "quiet line" }, order.number, badge("priority", order.priority)),
    el("span", { class: "title" }, order.title),
    el("span", { class: "quiet line" }, [who, place(order.location)].filter(Boolean).join(" · ")),
    el("span", { class: "quiet line" }, `changed ${ago(order.updatedAt)}`),
    latest(order)));
}

/** Reads the board again. */
export async function load() {
  const { data } = await get("/workorders?view=kanban&include=escalations");
  board.replaceChildren(...data.columns.map((column) => el("section", { class: "lane" },
    el("h2", {}, badge("status", column.status), el("span", { class: "quiet" }, ` ${column.count}`)),
    column.items.length
      ? el("ul", {}, column.items.map(card))
      : el("p", { class: "quiet" }, "None"),
    column.count > column.items.length
      ? el("p", { class: "quiet" }, `and ${column.count - column.items.length} more`) : null)));
}

/** A work order changed: reads again soon, once for many changes. */
export function refresh(fail) {
  if (board.hidden) return;
  clearTimeout(timer);
  timer = setTimeout(() => load().catch(fail), REREAD_MS);
}

export function start({ open: onOpen }) {
  open = onOpen;
}
