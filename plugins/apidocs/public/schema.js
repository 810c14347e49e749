// A schema as rows: name, type, what it means; what has fields of its own opens.

import { choicesOf, limitsOf, propertiesOf, typeOf } from "./document.js";
import { make } from "./make.js";

const DEPTH_MAX = 8;

function words(schema, description) {
  const choices = choicesOf(schema).filter((choice) => choice !== null);
  const meaning = description ?? schema.description;
  return make("span.words",
    meaning ? make("span", meaning) : null,
    limitsOf(schema).map((limit) => make("span.limit", limit)),
    choices.length ? make("span.choices", choices.map((choice) => make("code", String(choice)))) : null);
}

/** One line: name, type, required or not, words. */
export function line(api, { name, schema, shown, required, description }) {
  return [
    make("code.name", name),
    make("span.type", typeOf(api, schema)),
    required ? make("span.required", "required") : null,
    words(shown ?? schema, description),
  ];
}

function row(api, property, depth) {
  const inner = depth < DEPTH_MAX ? propertiesOf(api, property.schema) : [];
  const content = line(api, property);
  if (!inner.length) return make("li.row", content);
  const details = make("details", make("summary.row", content));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(rows(api, inner, depth + 1));
  });
  return make("li", details);
}

function rows(api, properties, depth) {
  return make("ul.rows", properties.map((property) => row(api, property, depth)));
}

/** A schema with everything in it. */
export function schemaView(api, schema) {
  const properties = propertiesOf(api, schema);
  const isPlain = properties.length && typeOf(api, schema) === "object" && !schema.description;
  return make("div.schema",
    isPlain ? null : make("p.type", typeOf(api, schema), " ", words(schema)),
    properties.length ? rows(api, properties, 0) : null);
}
