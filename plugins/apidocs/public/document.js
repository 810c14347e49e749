// Reads an OpenAPI 3.1 document. Nothing here knows the page.

const METHODS = ["get", "post", "put", "patch", "delete"];
const JSON_TYPE = "application/json";
const EXAMPLES = {
  uuid: "01a1fe30-4a20-7801-8518-f6b2802ed6f8",
  "date-time": "2026-11-20T09:12:44.120Z",
  date: "2026-11-20",
  email: "rita@example.org",
  uri: "https://example.org",
};

/** What a reference stands for; anything else is itself. */
export function resolve(api, part) {
  if (!part || !part.$ref) return part;
  return part.$ref.slice(2).split("/").reduce((at, name) => at?.[name], api);
}

export const nameOf = (part) => part?.$ref?.split("/").pop();

const listOf = (value) => (Array.isArray(value) ? value : [value]);

/** All operations as the page wants them, in the order of their paths. */
export function operations(api) {
  const found = [];
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS) {
      const operation = methods[method];
      if (!operation) continue;
      found.push({
        ...operation,
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        tag: operation.tags?.[0] ?? "other",
        permissions: listOf(operation["x-permission"] ?? []),
        rate: operation["x-rate-class"],
        parameters: operation.parameters.map((parameter) => resolve(api, parameter)),
      });
    }
  }
  const order = (one) => `${one.path} ${METHODS.indexOf(one.method.toLowerCase())}`;
  return found.sort((a, b) => order(a).localeCompare(order(b)));
}

/** Whether every word of the query is somewhere in what one would look for. */
export function matches(operation, query) {
  const text = [operation.method, operation.path, operation.summary, operation.tag, operation.rate,
    operation.id, ...operation.permissions].join(" ").toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** A schema's type in words: "list of Report", "text", "uuid or null". */
export function typeOf(api, schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(api, one)).join(" or ");
  if (!schema.type) return schema.enum ? "one of" : "any";
  return listOf(schema.type).map((type) => {
    if (type === "array") return `list of ${typeOf(api, schema.items ?? {})}`;
    if (type === "string") return schema.format ?? (schema.contentMediaType ? "file" : "text");
    return type;
  }).join(" or ");
}

/** What a schema demands besides its type: ["1 to 100", "default 20"]. */
export function limitsOf(schema) {
  const limits = [];
  const range = (min, max, unit) => {
    if (min === undefined && max === undefined) return;
    const words = min === undefined ? `at most ${max}`
      : max === undefined ? `at least ${min}` : `${min} to ${max}`;
    limits.push(words + unit);
  };
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minimum, schema.maximum, "");
  range(schema.minItems, schema.maxItems, " entries");
  if (schema.default !== undefined) limits.push(`default ${JSON.stringify(schema.default)}`);
  return limits;
}

/** The values that a schema, or each entry of its list, may have; [] when they are not listed. */
export const choicesOf = (schema) => schema.enum ?? schema.items?.enum ?? [];

/** The properties to show of a schema: those of an object, or of what a list holds. */
export function propertiesOf(api, schema) {
  let object = resolve(api, schema);
  while (object.items) object = resolve(api, object.items);
  if (object.anyOf) object = resolve(api, object.anyOf[0]);
  const required = new Set(object.required);
  return Object.entries(object.properties ?? {}).map(([name, property]) => ({
    name, schema: property, shown: resolve(api, property), required: required.has(name),
  }));
}

/** A value that fits a schema: what it requires, and at least two fields. */
export function exampleOf(api, schema) {
  const shown = resolve(api, schema);
  const type = listOf(shown.type)[0];
  if (shown.default !== undefined) return shown.default;
  if (shown.enum) return shown.enum.find((value) => value !== null);
  if (type === "array") return [exampleOf(api, shown.items ?? {})];
  if (type === "integer" || type === "number") return Math.max(shown.minimum ?? 1, 1);
  if (type === "boolean") return true;
  if (type === "object") {
    const properties = propertiesOf(api, shown);
    const needed = properties.filter((one) => one.required);
    return Object.fromEntries((needed.length ? needed : properties.slice(0, 2))
      .map((one) => [one.name, exampleOf(api, one.schema)]));
  }
  return EXAMPLES[shown.format] ?? "text".padEnd(shown.minLength ?? 0, "t");
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function bodyWords(api, operation) {
  const content = operation.requestBody?.content;
  if (!content) return [];
  if (content[JSON_TYPE]) {
    return ["-H 'Content-Type: application/json'",
      `-d ${quoted(JSON.stringify(exampleOf(api, content[JSON_TYPE].schema)))}`];
  }
  const [form] = Object.values(content);
  return propertiesOf(api, form.schema).map(({ name, shown }) => {
    const isFile = shown.contentMediaType || shown.items?.contentMediaType;
    return isFile ? `-F ${name}=@picture.jpg` : `-F ${quoted(`${name}=${exampleOf(api, shown)}`)}`;
  });
}

/** A command that makes the call. */
export function curlOf(api, operation, origin) {
  const required = operation.parameters.filter((one) => one.in === "query" && one.required);
  const query = required.map((one) => `${one.name}=${exampleOf(api, one.schema)}`).join("&");
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name) => {
    const parameter = operation.parameters.find((one) => one.in === "path" && one.name === name);
    return exampleOf(api, parameter?.schema ?? {});
  });
  const streams = operation.responses["200"]?.content?.["text/event-stream"] ? "-N " : "";
  const words = [`curl ${streams}${operation.method === "GET" ? "" : `-X ${operation.method} `}`
    + quoted(origin + path + (query && `?${query}`))];
  const takesToken = operation.parameters.some((one) => one.in === "query" && one.name === "token");
  if (!operation.security || takesToken) words.push('-H "Authorization: Bearer $TOKEN"');
  if (operation.security && operation.parameters.some((one) => one.name === "X-Tenant"))
    words.push("-H 'X-Tenant: riverton'");
  return [...words, ...bodyWords(api, operation)].join(" \\\n  ");
}
