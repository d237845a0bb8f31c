// A stand-in for a node's API with steady numbers, for screens that a real node shows rarely: empty, failing, stale.
//   node dashboard_mock.mjs DIST     prints its address; GET /mock?state=fine|empty|failing|slow changes what it does
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const month = new Date().toISOString().slice(0, 7);
const today = new Date().getUTCDate();
const NAMES = [["thumbnails", 512, 9], ["checkout", 256, 6], ["search", 1024, 4], ["webhooks", 128, 14], ["nightly-report", 2048, 1], ["geo-lookup", 128, 5], ["pdf-export", 1536, 2], ["hello-shell", 128, 1]];

function sums(invocations, memory, ms) {
  const billed = invocations * ms;
  return { invocations, billed_requests: invocations, errors: Math.floor(invocations / 333), timeouts: 0, out_of_memory: 0, init_errors: 0, killed: 0,
    throttles: Math.floor(invocations / 2000), cold_starts: Math.floor(invocations / 150), billed_ms: String(billed), mb_ms: String(billed * memory),
    gb_seconds: String((billed * memory) / 1024000), peak_kib_max: Math.floor(memory * 1024 * 0.62), p50_us: ms * 700, p95_us: ms * 2100, p99_us: ms * 4000 };
}
function add(rows) {
  const t = { invocations: 0, billed_requests: 0, errors: 0, throttles: 0, cold_starts: 0, billed_ms: 0n, mb_ms: 0n };
  for (const r of rows) for (const k of Object.keys(t)) t[k] += typeof t[k] === "bigint" ? BigInt(r[k]) : r[k];
  return { ...t, billed_ms: String(t.billed_ms), mb_ms: String(t.mb_ms) };
}
function usage(url) {
  const by = (url.searchParams.get("group_by") ?? "").split(",");
  const m = url.searchParams.get("month") ?? month;
  const head = { account: "acct_100000000001", from: `${m}-01T00:00:00Z`, to: `${m}-30T00:00:00Z`, granularity: "day", group_by: by };
  const items = [];
  if (state !== "empty" && url.searchParams.get("granularity") === "day") {
    for (let d = 1; d <= today; d++) {
      NAMES.forEach(([name, memory, weight], i) => {
        const n = Math.floor(weight * 900 * (1 + 0.5 * Math.sin(d * 0.9 + i)) * (d % 7 < 5 ? 1 : 0.55));
        items.push({ at: `${m}-${String(d).padStart(2, "0")}T00:00:00Z`, function: name, ...sums(n, memory, 20 + i * 17) });
      });
    }
  } else if (state !== "empty" && by.includes("account")) {
    ["acme", "demo", "globex", "initech"].forEach((name, i) => items.push({ account: `acct_10000000000${i + 1}`, ...sums(90000 >> i, 512, 40) }));
  } else if (state !== "empty") {
    NAMES.forEach(([name, memory, weight], i) => items.push({ function: name, memory_mb: memory, ...sums(weight * 900 * today, memory, 20 + i * 17) }));
  }
  const total = items.length ? add(items) : add([]);
  return { ...head, items, total, complete_through: new Date().toISOString().replace("Z", "000Z"), late_pending: 0 };
}
const QUOTAS = [
  ["concurrency", "running invocations", "50", "block", "3", "0", "47", false], ["requests_per_second", "invocations/s", "200", "block", "0", "0", "200", true],
  ["requests_per_month", "invocations", null], ["gb_seconds_per_month", "GB-seconds", "60000", "block", "53120.5", "1200", "5679.5", false],
  ["spend_per_month", "currency", "2.00", "notify", "0.67", "0.02", "1.31", false], ["memory_mb", "MiB", "3008", "block", "2048", "0", "960", true],
  ["functions", "functions", "100", "block", "8", "0", "92", true], ["code_bytes", "bytes", null], ["async_queue", "events", null],
];
const quotas = () => ({ next: null, items: QUOTAS.map(([name, unit, limit, action = "block", used = "0", held = "0", available = null, inherited = false]) => ({
  name, unit, limit, action, thresholds: [50, 80, 100], inherited, used, held, available, resets_at: name.includes("month") ? "2026-12-01T00:00:00Z" : null, revision: 1 })) });
const account = (name, i) => ({ id: `acct_10000000000${i + 1}`, name, display_name: "", currency: "USD", state: i === 3 ? "suspended" : "active", price_book: "default", created_at: "2026-10-01T08:00:00Z" });
const invocation = (i) => { const [name, memory] = NAMES[i % NAMES.length]; const ms = 3 + ((i * 37) % 90); return {
  request_id: `3f2a9c${String(i).padStart(2, "0")}-0000-4000-8000-000000000000`, attempt: 1, function: name, version: "$LATEST", started_at: new Date(Date.now() - i * 1700).toISOString().replace("Z", "000Z"),
  status: i % 17 === 5 ? "error" : i % 23 === 7 ? "timeout" : "ok", cold: i % 11 === 0, duration_us: ms * 970, init_us: 0, billed_ms: ms, memory_mb: memory, peak_kib: memory * 500, cpu_us: ms * 300, response_bytes: 120, mb_ms: String(ms * memory) }; };

function answer(url, key) {
  const p = url.pathname;
  if (p === "/v1/key") return { id: "key_1", scope: key === "far_admin" ? "admin" : "account", account: key === "far_admin" ? null : "acct_100000000001", account_name: key === "far_admin" ? null : "acme" };
  if (p === "/v1/accounts") return { items: ["acme", "demo", "globex", "initech"].map(account), next: null };
  if (p === "/v1/nodes") return { items: [{ name: "node-1", address: "http://127.0.0.1:8080", version: "0.1.0", started_at: "2026-11-20T06:00:00Z", seen_at: new Date().toISOString() }], next: null };
  if (p === "/v1/price-books/default") return { name: "default", version: 1, currency: "USD", document: { meters: { requests: { bands: [{ id: "t1", price: "0.0000002" }] }, compute_x86_64: { bands: [{ id: "t1", price: "0.0000166667" }] } }, free: [{ id: "free", meters: ["requests"], quantity: "1000000" }, { id: "free", meters: ["compute_x86_64", "compute_arm64"], quantity: "400000" }] } };
  if (p === "/readyz") return { status: "ready", checks: [{ name: "database", ok: true, detail: "" }, { name: "records", ok: true, detail: "" }, { name: "spool", ok: true, detail: "" }] };
  if (p === "/v1/usage" || p.endsWith("/usage")) return usage(url);
  if (p.endsWith("/quotas")) return quotas();
  if (p.endsWith("/invocations")) return { items: state === "empty" ? [] : Array.from({ length: 50 }, (_, i) => invocation(i)), next: null };
  if (p.endsWith("/invoices")) return { items: state === "empty" ? [] : [["2026-10", "000002", "0.61"], ["2026-09", "000001", "0.48"]].map(([m, n, t]) => ({ id: `inv_${n}`, number: `INV-2026-${n}`, month: m, state: "issued", total: t, currency: "USD", issued_at: `${m}-30T00:00:00Z` })), next: null };
  if (p.endsWith("/cost")) return state === "empty"
    ? { total: "0.00", currency: "USD", functions: [], forecast: null }
    : { total: "0.67", currency: "USD", forecast: { expected: "0.88", low: "0.81", high: "0.97" }, functions: NAMES.map(([name], i) => ({ function: name, amount: (0.2 / (i + 1)).toFixed(4) })) };
  if (/^\/v1\/accounts\/[^/]+$/.test(p)) return account("acme", 0);
  return null;
}

let state = "fine";
const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  const send = (status, type, body) => { response.writeHead(status, { "Content-Type": type, "Content-Security-Policy": POLICY }); response.end(body); };
  if (url.pathname === "/mock") { state = url.searchParams.get("state"); return send(200, "text/plain", state); }
  if (url.pathname.startsWith("/v1/") || url.pathname === "/readyz") {
    const key = (request.headers.authorization ?? "").replace("Bearer ", "");
    if (!key.startsWith("far_")) return send(401, "application/problem+json", JSON.stringify({ status: 401, detail: "a valid key is needed" }));
    if (state === "failing" && url.pathname !== "/v1/key") return send(503, "application/problem+json", JSON.stringify({ status: 503, detail: "the database cannot be reached", request_id: "0b4e" }));
    if (state === "slow" && url.pathname !== "/v1/key") return; // never answers
    if (url.pathname.includes("/bills/")) { response.setHeader("Content-Disposition", `attachment; filename="bill-acme-${month}.csv"`); return send(200, "text/csv", "record_type,amount\r\ntotal,0.67\r\n"); }
    const body = answer(url, key);
    return body ? send(200, "application/json", JSON.stringify(body)) : send(404, "application/problem+json", JSON.stringify({ status: 404, detail: "there is nothing here" }));
  }
  const name = url.pathname === "/" ? "/index.html" : url.pathname;
  try { send(200, TYPES[extname(name)] ?? "application/octet-stream", await readFile(join(process.argv[2], name.replaceAll("..", "")))); }
  catch { send(404, "text/plain", "nothing here"); }
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on("end", () => process.exit(0)); // ends with whoever started it
