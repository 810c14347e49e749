// The list of reports: newest on top, live.

import { get, picture } from "./api.js";
import { byId, el } from "./dom.js";
import { latest, withStep } from "./escalation.js";
import { ago, at, label, place } from "./format.js";

const PAGE = 30;
const SHOWN_MAX = 300;
const NEW_MS = 6000;

const list = byId("reports");
const items = new Map(); // report id -> {report, element}
let nextCursor = null;
let filters = { q: "", severity: "", status: "" };
let selected = null;
let loading = 0;
let choose = () => {};
let may = () => false;

/** A badge of text and colour; the colour never says what the text does not. */
export const badge = (kind, value) => el("span", { class: `badge ${kind} ${value}` }, label(value));

// A thumbnail is fetched when it is about to be seen.
const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    picture(target.dataset.url).then((url) => { target.src = url; }, () => target.remove());
  }
}, { rootMargin: "300px" });

function thumbnail(report) {
  if (!report.thumbnailUrl) return el("span", { class: "thumb none", "aria-hidden": "true" });
  const image = el("img", { class: "thumb", alt: "", width: 72, height: 72 });
  image.dataset.url = report.thumbnailUrl;
  observer.observe(image);
  return image;
}

function card(report) {
  return el("button", {
    type: "button", class: `report severity-${report.severity}`,
    "aria-current": report.id === selected ? "true" : null, onclick: () => select(report.id),
  },
  thumbnail(report),
  el("span", { class: "words" },
    el("span", { class: "title" }, report.title),
    el("span", { class: "quiet line" }, [label(report.category), place(report.location)]
      .filter(Boolean).join(" · ")),
    el("span", { class: "line" }, badge("severity", report.severity), badge("status", report.status),
      el("time", { class: "quiet", dateTime: report.createdAt, title: at(report.createdAt) },
        ago(report.createdAt))),
    latest(report)));
}

function show(report) {
  const item = items.get(report.id);
  if (!item) return null;
  item.report = { ...item.report, ...report };
  item.element.replaceChildren(card(item.report));
  return item;
}

function add(report, where) {
  if (items.has(report.id)) return show(report);
  const item = { report, element: el("li", {}, card(report)) };
  items.set(report.id, item);
  list[where](item.element);
  return item;
}

function remove(id) {
  items.get(id)?.element.remove();
  items.delete(id);
}

function matches(report) {
  const words = filters.q.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${report.title} ${report.description ?? ""} ${place(report.location)}`.toLowerCase();
  return (!filters.severity || report.severity === filters.severity)
    && (!filters.status || report.status === filters.status)
    && words.every((word) => text.includes(word));
}

function refreshEdges() {
  byId("more").hidden = !nextCursor;
  byId("reports-empty").hidden = items.size > 0;
}

function query(cursor) {
  const parameters = new URLSearchParams({ limit: PAGE, sort: "-createdAt" });
  for (const [name, value] of Object.entries(filters)) if (value) parameters.set(name, value);
  if (may("reports.read")) parameters.set("include", "escalations");
  if (cursor) parameters.set("cursor", cursor);
  return `/reports?${parameters}`;
}

/** Reads the list again from the top. */
export async function load() {
  const turn = ++loading;
  list.setAttribute("aria-busy", "true");
  try {
    const { data, meta } = await get(query());
    if (turn !== loading) return; // a later filter was faster
    items.clear();
    list.replaceChildren();
    data.forEach((report) => add(report, "append"));
    nextCursor = meta?.nextCursor ?? null;
    refreshEdges();
  } finally {
    if (turn === loading) list.removeAttribute("aria-busy");
  }
}

async function loadMore() {
  const turn = loading;
  const { data, meta } = await get(query(nextCursor));
  if (turn !== loading) return;
  data.forEach((report) => add(report, "append"));
  nextCursor = meta?.nextCursor ?? null;
  refreshEdges();
}

/** A report came in. Returns whether it is shown. */
export function onCreated(report) {
  if (!matches(report)) return false;
  const { element } = add(report, "prepend");
  element.classList.add("new");
  setTimeout(() => element.classList.remove("new"), NEW_MS);
  if (items.size > SHOWN_MAX) remove([...items.keys()].find((id) => items.get(id).element === list.lastElementChild));
  refreshEdges();
  return true;
}

/** A report changed. */
export function onUpdated(report) {
  if (report.deleted || (items.has(report.id) && !matches({ ...items.get(report.id).report, ...report }))) {
    remove(report.id);
  } else show(report);
  refreshEdges();
}

/** The time for a report runs out. */
export function onEscalated(data, when) {
  const { escalation, ...report } = data;
  const known = items.get(report.id)?.report.escalations;
  onUpdated({ ...report, escalations: withStep(known, escalation, when) });
}

/** Reads the lists as somebody with these rights. */
export function allow(given) {
  may = given;
}

/** Marks a report as chosen and tells whoever shows it. */
export function select(id) {
  const previous = selected;
  selected = id;
  for (const one of [previous, id]) {
    const item = items.get(one);
    if (item) show(item.report);
  }
  if (id) {
    choose(id);
    items.get(id)?.element.firstElementChild.focus({ preventScroll: true });
  }
}

export const selectedId = () => selected;

/** start({ choose(id), fail(error) }) */
export function start({ choose: onChoose, fail }) {
  choose = onChoose;
  const form = byId("filters");
  let wait = 0;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      filters = Object.fromEntries(new FormData(form));
      load().catch(fail);
    }, 250);
  });
  byId("more").addEventListener("click", () => loadMore().catch(fail));
  // Keeps "5 min. ago" true.
  setInterval(() => {
    for (const time of document.querySelectorAll("time")) {
      if (time.closest("#reports")) time.textContent = ago(time.dateTime);
    }
  }, 30_000);
}
