// How the time for a report or a work order runs out: its steps as badges.

import { el } from "./dom.js";
import { ago, at } from "./format.js";

const DONE = ["resolved", "closed", "rejected", "duplicate", "completed", "verified", "cancelled"];

const isBreached = (step) => step.breached ?? step.percent >= 100;

const level = (step) => `${isBreached(step) ? "Overdue" : "Due soon"} · ${step.percent} %`;
const REST = " of the time is over";

/** A badge of one step, "Overdue · 150 %"; read aloud it says of what. */
export const stepBadge = (step) => el("span", {
  class: `badge escalation ${isBreached(step) ? "overdue" : "due"}`,
}, level(step), el("span", { class: "visually-hidden" }, REST));

/** The latest step of what is still open, with when it was taken; null when there is none. */
export function latest(thing) {
  const step = thing.escalations?.at(-1);
  if (!step || DONE.includes(thing.status)) return null;
  return el("span", { class: "line escalated" }, stepBadge(step),
    el("time", { class: "quiet", dateTime: step.createdAt, title: at(step.createdAt) }, ago(step.createdAt)));
}

/** The steps of a thing with the one that an event tells of, which it may have already. */
export function withStep(escalations, escalation, createdAt) {
  const before = (escalations ?? []).filter((step) => step.percent !== escalation.percent);
  return [...before, { ...escalation, createdAt }];
}
