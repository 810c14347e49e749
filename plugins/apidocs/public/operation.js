// One call in full.

import { curlOf, resolve } from "./document.js";
import { make, prose, set } from "./make.js";
import { line, schemaView } from "./schema.js";

const PLACES = { path: "In the path", query: "In the query", header: "As headers" };
const PERMISSIONS = {
  public: "anybody", user: "whoever is signed in", platform_admin: "administrators of the platform",
};

export const badge = (operation) =>
  make(`span.method.${operation.method.toLowerCase()}`, operation.method);

function copyButton(text) {
  const button = set(make("button.copy", "Copy"), { type: "button" });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

function fact(name, ...value) {
  return make("div", make("dt", name), make("dd", ...value));
}

function facts(operation) {
  const permissions = operation.permissions.map((name) => (
    PERMISSIONS[name] ? make("span", PERMISSIONS[name]) : make("code", name)));
  const between = permissions.flatMap((one, i) => (i ? [" or ", one] : [one]));
  return make("dl.facts",
    fact("Permission", between),
    fact("Rate class", make("code", operation.rate)),
    fact("Part of", operation.tag));
}

function parameters(api, operation) {
  return Object.entries(PLACES).map(([place, title]) => {
    const some = operation.parameters.filter((parameter) => parameter.in === place);
    if (!some.length) return null;
    return make("section", make("h3", title), make("ul.rows", some.map((parameter) => (
      make("li.row", line(api, parameter))))));
  });
}

function contents(api, content) {
  return Object.entries(content ?? {}).map(([type, { schema }]) => (
    make("div.content", make("p.quiet", make("code", type)), schemaView(api, schema))));
}

function body(api, operation) {
  if (!operation.requestBody) return null;
  return make("section", make("h3", "Body"), contents(api, operation.requestBody.content));
}

// The envelope is the same everywhere: what is in it is what one wants to see.
function answerContents(api, response) {
  return Object.entries(response.content ?? {}).map(([type, { schema }]) => {
    const properties = schema.properties;
    if (!properties?.data) return make("div.content", make("p.quiet", make("code", type)), schemaView(api, schema));
    return make("div.content",
      make("p.quiet", make("code", type), ", in ", make("code", "data")), schemaView(api, properties.data),
      properties.meta ? [make("p.quiet", "and in ", make("code", "meta")), schemaView(api, properties.meta)] : null);
  });
}

function answer(api, status, part) {
  const response = resolve(api, part);
  const headers = Object.entries(response.headers ?? {});
  const details = make("details.answer", make("summary",
    make(`span.status.s${status[0]}`, status === "default" ? "else" : status), " ",
    make("span", response.description)));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    details.append(...answerContents(api, response), make("ul.rows", headers.map(([name, header]) => {
      const shown = resolve(api, header);
      return make("li.row", line(api, { name, schema: shown.schema, description: shown.description }));
    })));
  });
  return details;
}

function answers(api, operation) {
  const all = Object.entries(operation.responses).map(([status, part]) => answer(api, status, part));
  const first = all.find((one) => one.querySelector(".s2"));
  if (first) first.open = true;
  return make("section", make("h3", "Answers"), all);
}

function example(api, operation) {
  const command = curlOf(api, operation, location.origin);
  return make("section.example", make("h3", "Example", copyButton(command)),
    set(make("pre", make("code", command)), { tabindex: "0" }));
}

/** The whole of a call. */
export function operationView(api, operation) {
  const [first, ...rest] = operation.path.split(/(?=\/)/);
  return make("article",
    make("h2", badge(operation), make("code.path", first, rest.flatMap((piece) => [make("wbr"), piece]))),
    make("p.summary", operation.summary),
    (operation.description?.split("\n\n") ?? []).map((part) => make("p.prose", prose(part))),
    operation.deprecated ? make("p.deprecated", "Deprecated: its answers say since when, and until when.") : null,
    facts(operation),
    example(api, operation),
    parameters(api, operation),
    body(api, operation),
    answers(api, operation));
}

/** What one sees before choosing. */
export function overview(api, count) {
  const schemes = Object.values(api.components.securitySchemes ?? {});
  return make("article.overview",
    make("h2", api.info.title),
    make("p.summary", prose(api.info.description)),
    make("dl.facts",
      fact("Calls", String(count)),
      fact("Version", api.info.version),
      fact("Signing in", schemes.map((scheme, i) => [i ? " or " : "",
        make("code", scheme.type === "http" ? "Authorization: Bearer …" : `${scheme.name}: …`)]).flat())),
    make("section", make("h3", "Things"), make("ul.things",
      Object.entries(api.components.schemas).map(([name, schema]) => (
        make("li", make("details", make("summary", make("code.name", name)), schemaView(api, schema))))))));
}

