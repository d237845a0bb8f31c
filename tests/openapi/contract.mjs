// Every route of api/openapi.yaml is called on a live node, and what comes back is checked by ajv against the schema the
// description gives for that status and type. contract.mjs MODULES OPENAPI URL KEY
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, file, base, key] = process.argv.slice(2);
const require = createRequire(pathToFileURL(modules + "/x.js"));
const { Validator } = await import(pathToFileURL(require.resolve("@seriousme/openapi-schema-validator")));
const Ajv = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;
const YAML = require("yaml");

const failures = [];
const fail = (text) => failures.push(text);

const description = YAML.parse(readFileSync(file, "utf8"));
const checked = await new Validator().validate(structuredClone(description));
if (!checked.valid) fail("openapi.yaml is not OpenAPI 3.1: " + JSON.stringify(checked.errors).slice(0, 600));

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema({ $id: "api", ...description });
const resolve = (node) =>
  node && node.$ref ? resolve(node.$ref.slice(2).split("/").reduce((at, word) => at[word], description)) : node;

const validators = new Map();
function validator(operation, status, type) {
  const by = operation.responses;
  const answer = resolve(by[status] ?? by[status[0] + "XX"] ?? by.default);
  if (!answer) return { error: `status ${status} is not described` };
  const content = answer.content && answer.content[type];
  if (!content) return answer.content ? { error: `${type} is not described for ${status}` } : { schema: null };
  if (!content.schema) return { schema: null };
  const id = JSON.stringify(content.schema);
  if (!validators.has(id)) {
    const absolute = JSON.parse(id.replaceAll('"#/', '"api#/'));
    validators.set(id, ajv.compile(absolute));
  }
  return { schema: validators.get(id) };
}

let calls = 0;
const seen = new Set();
async function call(method, pattern, path, body, headers = {}) {
  const item = description.paths[pattern];
  const operation = item && item[method.toLowerCase()];
  if (!operation) throw new Error(`${method} ${pattern} is not described`);
  seen.add(`${method} ${pattern}`);
  calls++;
  const answer = await fetch(base + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  const type = (answer.headers.get("content-type") ?? "").split(";")[0];
  const where = `${method} ${path} -> ${answer.status} ${type}`;
  if (answer.status >= 500) fail(`${where}: ${text.slice(0, 200)}`);
  if (text === "") return null;
  const { schema, error } = validator(operation, String(answer.status), type);
  if (error) fail(`${where}: ${error}`);
  let value = text;
  if (type.endsWith("json")) value = JSON.parse(text);
  if (schema && type.endsWith("json") && !schema(value)) {
    fail(`${where}: ${ajv.errorsText(schema.errors)}\n    ${text.slice(0, 300)}`);
  }
  return value;
}

const now = new Date();
const month = now.toISOString().slice(0, 7);
const last = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 15)).toISOString().slice(0, 7);
const A = "/v1/accounts/{a}";

// Something to look at: an account with a function, calls, events of last month, an invoice.
await call("POST", "/v1/accounts", "/v1/accounts", { name: "globex", display_name: "Globex" });
const a = "/v1/accounts/globex";
const events = Array.from({ length: 6 }, (_, i) => ({
  specversion: "1.0", type: "dev.farthing.invocation", source: "test", id: `c${i}`, subject: "globex",
  time: `${i % 2 ? last : month}-01T00:00:0${i}Z`,
  data: { function: "thumb", duration_ms: 900000, memory_mb: 10240, status: "ok" },
}));
await call("POST", "/v1/events", "/v1/events", events, { "Content-Type": "application/cloudevents-batch+json" });
await call("POST", A + "/keys", a + "/keys", { name: "contract", scope: "read" });
await call("PUT", A + "/quotas/{quota}", a + "/quotas/concurrency", { limit: "10" });
await call("POST", A + "/credits", a + "/credits", { currency: "USD", amount: "1.00", reason: "welcome" });
const small_zip = "UEsDBBQAAAAAAAAAIVyjt17aEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMQpQSwECFAMUAAAAAAAAACFco7de2hEAAAARAAAACQAAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA==";
await call("POST", A + "/layers/{layer}/versions", a + "/layers/deps/versions", { code: small_zip, runtimes: ["nodejs20.x"], license: "MIT" });
await call("POST", A + "/functions", a + "/functions", { name: "layered", runtime: "provided", layers: ["deps:1"], code: small_zip });
await call("GET", A + "/functions/{f}", a + "/functions/layered");
await call("POST", A + "/webhooks", a + "/webhooks", { url: "http://127.0.0.1:9/", events: [] });
await call("POST", "/v1/months/{month}/close", `/v1/months/${last}/close`, { dry_run: false });
for (let i = 0; i < 300; i++) {
  const state = await call("GET", "/v1/months/{month}/close", `/v1/months/${last}/close`);
  if (state.state !== "running") break;
  await new Promise((done) => setTimeout(done, 100));
}
const invoices = await call("GET", A + "/invoices", a + "/invoices");
const webhooks = await call("GET", A + "/webhooks", a + "/webhooks");
const keys = await call("GET", A + "/keys", a + "/keys");
const records = await call("GET", A + "/invocations", a + `/invocations?from=${last}-01T00:00:00Z`);
const params = {
  a: "globex", f: "thumb", quota: "concurrency", month: last, invoice: invoices.items?.[0]?.id ?? "inv_1", line: "1", book: "default",
  webhook: webhooks.items?.[0]?.id ?? "wh_1", key: keys.items?.[0]?.id ?? "key_1", alias: "live", layer: "deps", version: "1", request: records.items?.at(-1)?.request_id ?? "x",
};

// Every GET there is, with things that exist, with things that do not, and without a key.
for (const [pattern, item] of Object.entries(description.paths)) {
  if (!item.get || pattern.includes("2015-03-31") || pattern.includes("2017-") || pattern.includes("2018-") || pattern.includes("2019-") ||
      pattern.includes("2020-") || pattern.includes("2021-") || pattern.includes("2016-") || pattern.includes("2014-")) continue;
  const fill = (with_) => pattern.replace(/\{([^}]+)\}/g, (_, name) => encodeURIComponent(with_(name)));
  await call("GET", pattern, fill((name) => params[name] ?? "none"));
  if (pattern.includes("{")) await call("GET", pattern, fill(() => "nobody-has-this"));
  await call("GET", pattern, fill((name) => params[name] ?? "none") + "?no_such_parameter=1");
}

// Broken bodies for every write with JSON: each a described problem.
for (const [pattern, item] of Object.entries(description.paths)) {
  if (!pattern.startsWith("/v1/")) continue;
  for (const method of ["post", "put", "patch"]) {
    if (!item[method]) continue;
    const path = pattern.replace(/\{([^}]+)\}/g, (_, name) => encodeURIComponent(params[name] ?? "none"));
    for (const body of ["{", "[]", '{"no_such_member":1}', "null"]) await call(method.toUpperCase(), pattern, path, body);
  }
}

const described = Object.entries(description.paths).flatMap(([pattern, item]) =>
  Object.keys(item).filter((word) => ["get"].includes(word)).map((word) => `${word.toUpperCase()} ${pattern}`));
const missed = described.filter((name) => !seen.has(name) && name.includes("/v1/"));
if (missed.length) fail("not called: " + missed.join(", "));
if (failures.length) {
  console.log(failures.slice(0, 30).join("\n"));
  console.log(`${failures.length} failures in ${calls} calls`);
  process.exit(1);
}
console.log(`${calls} calls, ${seen.size} operations: every answer is as described`);
