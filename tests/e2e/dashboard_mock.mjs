// A stand-in for a node's API with steady numbers, for screens that a real node shows rarely: empty, failing, stale.
//   node dashboard_mock.mjs DIST     prints its address; GET /mock?state=fine|empty|failing|slow|closing changes what it does
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
function oneFunction(url, name, head) {
  const [, memory, weight] = NAMES.find(([n]) => n === name) ?? [name, 128, 0], n = state === "empty" ? 0 : weight * 900;
  const freshness = { complete_through: new Date().toISOString().replace("Z", "000Z"), late_pending: 0 };
  if (url.searchParams.get("group_by") === "status") return { ...head, items: n ? [{ status: "ok", invocations: n * today - 7 }, { status: "timeout", invocations: 7 }] : [], ...freshness };
  const daily = url.searchParams.get("granularity") === "day";
  const items = !n ? [] : daily ? Array.from({ length: today }, (_, d) => ({ at: `${month}-${String(d + 1).padStart(2, "0")}T00:00:00Z`, ...sums(n + 100 * (d % 5), memory, 20 + d) })) : [sums(n * today, memory, 30)];
  return { ...head, items, total: add(items), ...freshness };
}
function usage(url) {
  const by = (url.searchParams.get("group_by") ?? "").split(",");
  const m = url.searchParams.get("month") ?? month;
  const head = { account: "acct_100000000001", from: `${m}-01T00:00:00Z`, to: `${m}-30T00:00:00Z`, granularity: "day", group_by: by };
  const items = [];
  if (url.searchParams.get("function")) return oneFunction(url, url.searchParams.get("function"), head);
  if (url.pathname === "/v1/usage" && by[0] === "") return { ...head, accounts: 4, ...(state === "empty" ? add([]) : sums(169000, 512, 40)), complete_through: new Date().toISOString().replace("Z", "000Z"), late_pending: 0 };
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

const deployed = (name, memory) => ({ id: "fn_1", name, account: "acct_100000000001", version: "$LATEST", runtime: "nodejs", handler: "index.handler", architecture: "x86_64", memory_mb: memory, timeout_s: 10, code: { sha256: "03c0", bytes: 40100 }, tags: {}, revision: "r", created_at: "2026-11-01T08:00:00Z", modified_at: "2026-11-02T08:00:00Z" });
const invoice = ([m, n, t]) => ({ id: `inv_${n}`, number: `INV-2026-${n}`, kind: "invoice", month: m, state: "issued", net: t, tax: "0.00", total: t, currency: "USD", price_book: "default", price_version: 1, complete_through: `${m}-30T00:00:00Z`, issued_at: `${m}-30T00:00:00Z`, due_at: `${m}-30T00:00:00Z`, refers_to: null, sha256: "4964bdf6683430c06083d678d52ff94ab538a7fe3c5ff2c24c15424932623e39" });
const LINES = [["requests", 0, "Requests, free allowance", "1000000", "0", "0", "0.00"], ["requests", 1, "Requests", "1543000", "0.0000002", "0.3086", "0.31"], ["compute_x86_64", 1, "Compute, x86_64, tier 1", "22118400000", "0.0000166667", "0.36000072", "0.36"]]
  .map(([meter, band, description, quantity, unit_price, exact_amount, amount]) => ({ meter, band, description, quantity, unit_price, exact_amount, amount }));

function answer(url, key) {
  const p = url.pathname;
  if (p === "/v1/key") return { id: "key_1", scope: key === "far_admin" ? "admin" : "account", account: key === "far_admin" ? null : "acct_100000000001", account_name: key === "far_admin" ? null : "acme" };
  if (p === "/v1/accounts") return { items: ["acme", "demo", "globex", "initech"].map(account), next: null };
  if (p === "/v1/spenders") return { month, accounts_with_use: 4, complete: true, total: state === "empty" ? add([]) : sums(169000, 512, 40), complete_through: new Date().toISOString(), late_pending: 0, next: null, items: state === "empty" ? [] : [["globex", "115.69", "active"], ["acme", "12.58", "active"], ["initech", "0.00", "suspended"]].map(([name, total, account_state], i) => (
    { account: `acct_10000000000${i + 1}`, name, display_name: `${name} Ltd`, account_state, price_book: "default", currency: "USD", total, state: "estimate", ...sums(90000 >> i, 512, 40) })) };
  if (p === "/v1/quota-levels") return { month, next: null, items: state === "empty" ? [] : [{ account: "acct_100000000001", name: "acme", quota: "gb_seconds_per_month", action: "block", limit: "60000", used: "66120.5", percent: 110 }, { account: "acct_100000000002", name: "demo", quota: "spend_per_month", action: "notify", limit: "10", used: "8.12", percent: 81 }] };
  if (p === "/v1/quota-escrow") return { next: null, items: state === "empty" ? [] : [{ account: "acct_100000000001", quota: "requests_per_month", month, agrees: false, recorded_units: "22", claimed_units: "26", unstored_units: "0", held_units: "3", forfeit_units: "0", silent_s: 0 }] };
  if (p.startsWith("/v1/months/")) {
    const closing = state === "closing", m = p.split("/")[3];
    return { month: m, state: closing ? "running" : "idle", dry_run: false, accounts: 1000, invoices: closing ? 250 : state === "empty" ? 0 : 996, issued: closing ? 250 : 0, looked_at: closing ? 400 : 0, parked: state === "empty" ? 0 : 1, totals: [], started_at: null, ended_at: null, error: null,
      parked_accounts: state === "empty" ? [] : [{ account: "acct_100000000003", name: "globex", reason: "records and rollups differ by -3 requests and -1024 MB-ms", parked_at: `${month}-02T00:00:00Z` }] };
  }
  if (p === "/v1/nodes") return { items: [{ name: "node-1", address: "http://127.0.0.1:8080", version: "0.1.0", started_at: "2026-11-20T06:00:00Z", seen_at: new Date().toISOString(), status: { lag_us: 0, sandbox: "bwrap", instances: 12, instances_busy: 3, records_stored: 184223, records_pending: 0, spool_fill_thousandths: 14 } },
    ...(state === "empty" ? [] : [{ name: "node-2", address: "http://127.0.0.1:8081", version: "0.1.0", started_at: "2026-11-20T06:00:00Z", seen_at: "2026-11-20T07:00:00Z", status: {} }])], next: null };
  if (p === "/v1/price-books/default") return { name: "default", version: 1, currency: "USD", document: { meters: { requests: { bands: [{ id: "t1", price: "0.0000002" }] }, compute_x86_64: { bands: [{ id: "t1", price: "0.0000166667" }] } }, free: [{ id: "free", meters: ["requests"], quantity: "1000000" }, { id: "free", meters: ["compute_x86_64", "compute_arm64"], quantity: "400000" }] } };
  if (p === "/readyz") return { status: "ready", checks: [{ name: "database", ok: true, detail: "" }, { name: "records", ok: true, detail: "" }, { name: "spool", ok: true, detail: "" }] };
  if (p === "/v1/usage" || p.endsWith("/usage")) return usage(url);
  if (p.endsWith("/quotas")) return quotas();
  if (p.endsWith("/dry-run")) return { name: "requests_per_month", limit: "1", month, calls: 2276, refused: 1276, peak: "2276", first_refused_at: `${month}-01T10:00:00Z` };
  if (p.endsWith("/keys")) return { next: null, items: state === "empty" ? [] : [["key_2", "deploys", "account", null], ["key_3", "dashboard", "read", null], ["key_1", "", "account", `${month}-01T10:00:00Z`]].map(([id, name, scope, revoked_at]) => ({ id, scope, name, prefix: "far_4719", aws_access_key_id: null, created_at: "2026-10-01T08:00:00Z", expires_at: null, revoked_at, last_used_at: null })) };
  if (p.endsWith("/webhooks")) return { next: null, items: state === "empty" ? [] : [{ id: "wh_1", url: "https://example.com/hook", events: [], enabled: true, created_at: "2026-10-01T08:00:00Z" }] };
  if (p.endsWith("/notices")) return { next: null, items: state === "empty" ? [] : [{ quota: "gb_seconds_per_month", month, threshold: 80, used: "48000.5", limit: "60000", fired_at: `${month}-01T10:00:00Z` }] };
  if (p.endsWith("/refusals")) return { next: null, items: state === "empty" ? [] : [{ function: "search", reason: "concurrency", refusals: 12, last_hour: `${month}-01T10:00:00Z` }] };
  if (p.endsWith("/credits")) return { next: null, items: state === "empty" ? [] : [{ id: "cr_1", kind: "credit", currency: "USD", amount: "5.00", left: "4.39", expires_at: null, reason: "welcome", granted_at: `${month}-01T10:00:00Z` }] };
  if (p.endsWith("/verify")) return { matches: true, lines: 4, difference: null };
  if (p.endsWith("/logs")) return { next: null, items: state === "empty" || new Date(url.searchParams.get("since")) > Date.now() - 60000 ? [] : ["START RequestId: 3f2a Version: $LATEST", "resized 12 images", "END RequestId: 3f2a", "REPORT RequestId: 3f2a\tDuration: 12.5 ms\tBilled Duration: 13 ms"].map((line, i) => ({ at: new Date(Date.now() - 1000 + i).toISOString().replace("Z", "123Z"), line })) };
  if (p.endsWith("/functions")) return { next: null, items: state === "empty" ? [] : NAMES.map(([name, memory]) => deployed(name, memory)) };
  if (/\/functions\/[^/]+$/.test(p)) { const found = NAMES.find(([n]) => n === p.split("/").pop()); return found ? deployed(...found) : null; }
  if (p.endsWith("/lines")) return { invoice: invoice(["2026-10", "000002", "0.61"]), next: null, items: LINES };
  if (p.endsWith("/invocations")) return { items: state === "empty" ? [] : Array.from({ length: 50 }, (_, i) => invocation(i)), next: null };
  if (p.endsWith("/invoices")) return { items: state === "empty" ? [] : [["2026-10", "000002", "0.61"], ["2026-09", "000001", "0.48"]].map(invoice), next: null };
  if (p.endsWith("/cost")) return state === "empty"
    ? { total: "0.00", currency: "USD", state: "estimate", price_book: "default", functions: [], lines: [], forecast: null }
    : { total: "0.67", currency: "USD", state: "estimate", price_book: "default", forecast: { expected: "0.88", low: "0.81", high: "0.97" }, lines: LINES,
      functions: NAMES.map(([name, memory], i) => ({ function: name, invocations: 100, gb_seconds: String(memory), amount: (0.2 / (i + 1)).toFixed(2), exact_amount: (0.2 / (i + 1)).toFixed(6), per_million: "12.5" })),
      memory: NAMES.map(([name, memory], i) => ({ function: name, memory_mb: memory, architecture: "x86_64", invocations: 100, gb_seconds: "1", peak_max_kib: memory * (i % 2 ? 1000 : 400), peak_mean_kib: memory * 300, needed_mb: i % 2 ? memory * 2 : 128, saving: i % 2 ? "-0.01" : memory === 128 ? "0" : "0.05" })) };
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
