// Puts the page together: the list with its search on one side, one call on the other.

import { matches, operations } from "./document.js";
import { make, set } from "./make.js";
import { badge, operationView, overview } from "./operation.js";

const byId = (id) => document.getElementById(id);
const search = byId("search");
const list = byId("list");
const main = byId("main");

let api;
let all = [];

function link(operation) {
  const anchor = make("a", badge(operation), make("span.path", operation.path),
    make("span.quiet", operation.summary));
  if (operation.deprecated) anchor.classList.add("old");
  return set(anchor, { href: `#${operation.id}` });
}

function showList() {
  const query = search.value.trim();
  const found = query ? all.filter((operation) => matches(operation, query)) : all;
  const tags = [...new Set(found.map((one) => one.tag))].sort();
  list.replaceChildren(...tags.map((tag) => make("section", make("h2", tag), make("ul",
    found.filter((one) => one.tag === tag).map((one) => make("li", link(one)))))));
  byId("count").textContent = query ? `${found.length} of ${all.length} calls` : `${all.length} calls`;
  markCurrent();
}

const chosen = () => decodeURIComponent(location.hash.slice(1));

function markCurrent() {
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  const anchor = [...list.querySelectorAll("a")].find((one) => one.hash === location.hash);
  if (!anchor) return;
  set(anchor, { "aria-current": "page" });
  anchor.scrollIntoView({ block: "nearest" });
}

function back() {
  return set(make("a.back", "All calls"), { href: "#" });
}

function show() {
  if (location.hash === "#main") return;
  const operation = all.find((one) => one.id === chosen());
  document.body.classList.toggle("chosen", Boolean(operation));
  document.title = (operation ? `${operation.method} ${operation.path} · ` : "") + api.info.title;
  main.replaceChildren(back(), operation ? operationView(api, operation) : overview(api, all.length));
  main.scrollTo(0, 0);
  if (operation && document.body.offsetWidth < 800) main.focus();
  markCurrent();
}

// Up and down walk through what the search has left.
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const anchors = [...list.querySelectorAll("a")];
  const at = anchors.indexOf(document.activeElement);
  const next = at + step;
  event.preventDefault();
  (next < 0 ? search : anchors[Math.min(next, anchors.length - 1)])?.focus();
}

function onKey(event) {
  const typing = event.target.matches("input, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    location.hash = document.body.offsetWidth < 800 ? "" : location.hash;
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search) {
    search.value = "";
    showList();
  } else if (event.key === "Enter" && event.target === search) {
    list.querySelector("a")?.click();
  }
}

async function start() {
  const response = await fetch("/api/v1/openapi.json");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  api = await response.json();
  all = operations(api);
  byId("title").textContent = `${api.info.title} API`;
  byId("version").textContent = `· version ${api.info.version}`;
  search.addEventListener("input", showList);
  byId("side").addEventListener("keydown", walk);
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", show);
  showList();
  show();
}

start().catch((error) => {
  main.replaceChildren(set(make("p.notice", `The description could not be read: ${error.message}.`),
    { role: "alert" }));
});
