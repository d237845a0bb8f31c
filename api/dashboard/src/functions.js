// The functions of an account, and one of them: latency, errors, memory, its newest calls and what it printed.
import { enc } from "./api.js";
import { ChartBox } from "./chart.js";
import { newFunction, runCard } from "./deploy.js";
import { cards, chip, empty, h, loading, segments, show, sortableTable, tile } from "./dom.js";
import * as f from "./format.js";
import { invocationTable } from "./live.js";
import { readCost, usageTotal } from "./money.js";
import { hint } from "./overview.js";

const LOG_LINES_MAX = 500;

// ---- all of them

function rowsOf(data) {
  const rows = new Map();
  const blank = (name) => ({ name, invocations: 0, errors: 0, throttles: 0, mbMs: 0n, memory: 0, peak: 0, p50: 0, p95: 0 });
  for (const r of data.usage.items) {
    const row = rows.get(r.function) ?? blank(r.function);
    row.invocations += r.invocations;
    row.errors += r.errors;
    row.throttles += r.throttles;
    row.mbMs += BigInt(r.mb_ms);
    row.memory = Math.max(row.memory, r.memory_mb);
    row.peak = Math.max(row.peak, r.peak_kib_max);
    row.p50 = Math.max(row.p50, r.p50_us ?? 0);
    row.p95 = Math.max(row.p95, r.p95_us ?? 0);
    rows.set(r.function, row);
  }
  for (const d of data.deployed) if (!rows.has(d.name)) rows.set(d.name, { ...blank(d.name), memory: d.memory_mb });
  for (const row of rows.values()) row.cost = data.cost?.functions?.[row.name] ?? null;
  return [...rows.values()];
}

export function memoryCell(peak, memory) {
  const share = memory > 0 ? Math.min(100, (100 * peak) / 1024 / memory) : 0;
  return h("span", { class: "memory" }, `${peak ? f.mebibytes(peak) : "–"} / ${memory} MiB`, h("span", { class: `mini ${share > 90 ? "high" : ""}`, "aria-hidden": "true" }, h("span", { vars: { "--w": `${share}%` } })));
}

function table(data, ui) {
  const rows = rowsOf(data), currency = data.cost?.currency, all = usageTotal(data.cost) || 1;
  const money = f.moneyColumn(rows.map((r) => r.cost), currency);
  const million = (r) => (r.cost && r.invocations > 0 ? (Number(r.cost) * 1e6) / r.invocations : null);
  const millions = f.moneyColumn(rows.map((r) => million(r)?.toFixed(6)), currency);
  return sortableTable({
    caption: "Functions of this month", state: ui.sort, rows, onSort: ui.redraw,
    empty: empty("No function is deployed.", ui.me.scope === "read" ? "Deploy one with " : "Write one here, deploy a folder with ", h("code", {}, `farthing function deploy DIR --account ${ui.account}`), ", or send usage of another runtime to ", h("code", {}, "/v1/events"), "."),
    columns: [
      { name: "name", label: "Function", cell: (r) => h("a", { href: `#/${enc(ui.account)}/functions/${r.name}`, "data-focus": `fn-${r.name}` }, r.name), sort: (r) => r.name },
      { name: "invocations", label: "Invocations", right: true, cell: (r) => f.count(r.invocations), sort: (r) => r.invocations },
      { name: "errors", label: "Failed", right: true, cell: (r) => h("span", { class: r.errors ? "warn" : "muted" }, r.invocations ? f.percent((100 * r.errors) / r.invocations) : "–"), sort: (r) => (r.invocations ? r.errors / r.invocations : 0) },
      { name: "throttles", label: "Refused", right: true, cell: (r) => h("span", { class: r.throttles ? "warn" : "muted" }, f.count(r.throttles)), sort: (r) => r.throttles },
      { name: "p50", label: "p50", right: true, cell: (r) => f.micros(r.p50), sort: (r) => r.p50 },
      { name: "p95", label: "p95", right: true, cell: (r) => f.micros(r.p95), sort: (r) => r.p95 },
      { name: "peak", label: "Peak / memory", short: "Memory", right: true, cell: (r) => memoryCell(r.peak, r.memory), sort: (r) => r.peak },
      { name: "gb_s", label: "GB-s", right: true, cell: (r) => f.gbSeconds(r.mbMs, 3), sort: (r) => r.mbMs },
      { name: "cost", label: "Cost", right: true, cell: (r) => money(r.cost), sort: (r) => Number(r.cost ?? 0) },
      { name: "share", label: "Share", right: true, cell: (r) => (r.cost ? f.percent((100 * Number(r.cost)) / all) : "–"), sort: (r) => Number(r.cost ?? 0) },
      { name: "million", label: "Per million", right: true, cell: (r) => (million(r) === null ? "–" : millions(million(r).toFixed(6))), sort: (r) => million(r) ?? 0 },
    ],
  });
}

export function functionsPage(ui) {
  const parts = {};
  const more = ui.me.scope === "read" ? null : h("div", { class: "head-tools" }, h("button", { type: "button", "data-focus": "new-function", onclick: () => newFunction(ui) }, "New function"));
  const page = h("div", { class: "page" }, cards(parts)("functions", "Functions", { lines: 8, more }));
  const base = `/v1/accounts/${enc(ui.account)}`;
  const load = async () => {
    const [usage, cost, deployed] = await Promise.all([ui.api.get(`${base}/usage?month=${ui.month}&group_by=function,memory`), readCost(ui.api, base, ui.month), ui.api.all(`${base}/functions?limit=1000`)]);
    return { usage, cost, deployed };
  };
  const update = (data) => show(parts.functions, [data.usage.items, data.cost?.rows, data.deployed.map((d) => d.name), ui.sort], () => table(data, ui));
  return { title: "Functions", month: true, page, load, update };
}

// ---- one of them

const STATUS = [["ok", "ok", "ok"], ["error", "failed", "bad"], ["timeout", "timed out", "bad"], ["out_of_memory", "out of memory", "bad"], ["init_error", "failed to start", "bad"], ["killed", "killed", "bad"]];

function head(data) {
  const t = data.total ?? {}, cost = data.cost?.rows.find((r) => r.function === data.name);
  const rate = t.invocations > 0 ? (100 * t.errors) / t.invocations : 0;
  return h("dl", { class: "tiles" },
    tile("Cost", cost ? f.money(cost.exact, data.cost.currency) : "–", h("p", { class: "muted" }, cost?.per_million ? `${f.money(cost.per_million, data.cost.currency)} a million calls` : "not used this month")),
    tile("Invocations", f.count(t.invocations ?? 0), h("p", {}, h("span", { class: t.errors ? "warn" : "muted" }, `${f.percent(rate)} failed`), h("span", { class: t.throttles ? "warn" : "muted" }, ` · ${f.count(t.throttles ?? 0)} refused`))),
    tile("p50", f.micros(t.p50_us), h("p", { class: "muted" }, `p95 ${f.micros(t.p95_us)} · p99 ${f.micros(t.p99_us)}`)),
    tile("Compute", h("span", {}, f.gbSeconds(t.mb_ms ?? "0"), h("small", {}, " GB-s")), h("p", { class: "muted" }, `${f.plural(t.cold_starts ?? 0, "cold start")}`)));
}

/* Asynchronous events, where there were any. */
function eventFacts(events) {
  const item = events?.items?.[0], waits = events?.waiting?.[0];
  if (!item && !waits) return null;
  const words = [`${f.count(item?.received ?? 0)} queued`, `${f.count(item?.dropped ?? 0)} dropped`];
  if (item?.runs) words.push(`age when handed over ${f.micros(item.age_ms_avg * 1000)}, at most ${f.micros(item.age_ms_max * 1000)}`);
  if (waits) words.push(`${f.count(waits.events)} in the queue, the oldest for ${f.micros(waits.oldest_age_ms * 1000)}`);
  return words.join(" · ");
}

function settings(data) {
  const d = data.deployed, row = (name, ...value) => [h("dt", {}, name), h("dd", {}, value)];
  const measured = data.memory.reduce((a, r) => (r.peak_max_kib > (a?.peak_max_kib ?? 0) ? r : a), null);
  const advice = hint(measured, data.cost?.currency), events = eventFacts(data.events);
  return [h("dl", { class: "facts" },
    d ? [row("Runtime", `${d.runtime}, ${d.architecture}`), row("Handler", h("code", {}, d.handler)), row("Time limit", `${d.timeout_s} s`),
      row("Code", f.bytes(d.code.bytes)), row("Changed", `${f.dateTime(d.modified_at)} UTC`)] : row("Runs", "on another runtime that reports its usage here"),
    row("Memory", measured ? memoryCell(measured.peak_max_kib, measured.memory_mb) : d ? `${d.memory_mb} MiB` : "–"),
    events ? row("Events", events) : null),
  advice ? h("p", { class: `advice ${advice.kind}` }, `It ${advice.text}${advice.amount ? `, which saves ${advice.amount} in this month` : ""}.`) : null,
  h("ul", { class: "chips" }, STATUS.map(([status, label, kind]) => { const n = data.status.get(status) ?? 0; return n ? h("li", {}, chip(kind, `${f.count(n)} ${label}`)) : null; }))];
}

function latency(data, month, days) {
  const n = f.daysIn(month), at = (name) => { const out = new Array(n).fill(null); for (const r of days) if (r[name]) out[Number(r.at.slice(8, 10)) - 1] = r[name]; return out; };
  return { labels: Array.from({ length: n }, (_, i) => String(i + 1)), stacked: false, top: days.some((r) => r.p99_us) ? undefined : 1000, title: "duration", format: (v) => f.micros(v), axis: (v) => (v ? f.micros(v) : "0"), tip: (i) => `${month}-${String(i + 1).padStart(2, "0")}`,
    series: [["p50", "p50_us", 2], ["p95", "p95_us", 1], ["p99", "p99_us", 5]].map(([name, key, c]) => ({ name, values: at(key), kind: "line", color: `--series-${c}`, points: true })),
    words: `Latency of ${data.name} by day: p50, p95 and p99. The table has every number.` };
}

function calls(data, month, days) {
  const n = f.daysIn(month), ok = new Array(n).fill(0), bad = new Array(n).fill(0), refused = new Array(n).fill(0);
  for (const r of days) { const d = Number(r.at.slice(8, 10)) - 1; ok[d] += r.invocations - r.errors; bad[d] += r.errors; refused[d] += r.throttles; }
  return { labels: Array.from({ length: n }, (_, i) => String(i + 1)), title: "invocations", total: true, whole: true, top: 4, format: f.count, axis: f.compact, tip: (i) => `${month}-${String(i + 1).padStart(2, "0")}`,
    series: [{ name: "fine", values: ok, color: "--series-2" }, { name: "failed", values: bad, color: "--bad" }, { name: "refused", values: refused, color: "--series-3" }],
    words: `Invocations of ${data.name} by day, ${f.count(data.total?.errors ?? 0)} of ${f.count(data.total?.invocations ?? 0)} failed. The table has every number.` };
}

function dayTable(days) {
  return sortableTable({
    caption: "Every day of this function", state: {}, rows: days, empty: empty("It did not run in this month."),
    columns: [
      { name: "day", label: "Day", cell: (r) => f.day(r.at) },
      { name: "n", label: "Invocations", right: true, cell: (r) => f.count(r.invocations) },
      { name: "bad", label: "Failed", right: true, cell: (r) => f.count(r.errors) },
      { name: "refused", label: "Refused", right: true, cell: (r) => f.count(r.throttles) },
      ...["p50", "p95", "p99"].map((p) => ({ name: p, label: p, right: true, cell: (r) => f.micros(r[`${p}_us`]) })),
      { name: "peak", label: "Peak MiB", right: true, cell: (r) => f.mebibytes(r.peak_kib_max) },
      { name: "gb", label: "GB-s", right: true, cell: (r) => f.gbSeconds(r.mb_ms, 3) },
    ],
  });
}

// Lines as they come: START and END are quiet, REPORT is what the meter says.
function logLine(l) {
  const kind = /^(START|END|REPORT|INIT_START) /.exec(l.line)?.[1]?.toLowerCase() ?? "said";
  return h("li", { class: kind }, h("time", { datetime: l.at }, l.at.slice(11, 23)), h("span", {}, l.line.replaceAll("\t", "  ")));
}

class LogTail {
  constructor(ui, name) {
    this.ui = ui;
    this.path = `/v1/accounts/${enc(ui.account)}/functions/${enc(name)}/logs?limit=1000`;
    this.lines = [];
    this.since = new Date(Date.now() - 86400000).toISOString();
    this.paused = false;
    this.list = h("ol", { class: "log", tabindex: "0", "aria-label": "Log, newest last" });
    this.note = h("p", { class: "fine-print" }, "Loading…");
    this.button = h("button", { type: "button", class: "small", "aria-pressed": "false", "data-focus": "log-pause", onclick: () => this.pause() }, "Pause");
    this.filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter log lines", oninput: () => this.draw() });
    this.el = h("div", { class: "fill" }, h("div", { class: "controls" }, this.note, h("div", { class: "tools" }, this.filter, this.button)), this.list);
  }

  pause() {
    this.paused = !this.paused;
    this.button.textContent = this.paused ? "Go on" : "Pause";
    this.button.setAttribute("aria-pressed", String(this.paused));
  }

  async load() {
    if (this.paused) return;
    for (let more = true, rounds = 0; more && rounds < 20; rounds++) {
      const answer = await this.ui.api.maybe(`${this.path}&since=${enc(this.since)}`);
      const items = answer?.items ?? [];
      more = items.length === 1000;
      if (items.length) {
        const last = items[items.length - 1].at;
        this.since = `${last.slice(0, 20)}${String(Number(last.slice(20, 26)) + 1).padStart(6, "0")}Z`;
        if (this.since.length !== 27) this.since = new Date(Date.parse(last) + 1).toISOString();
        this.lines = [...this.lines, ...items].slice(-LOG_LINES_MAX);
        this.fresh = true;
      }
      if (answer === null) this.gone = true;
    }
  }

  draw() {
    const word = this.filter.value.toLowerCase();
    const lines = word ? this.lines.filter((l) => l.line.toLowerCase().includes(word)) : this.lines;
    const below = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    this.note.textContent = this.gone ? "What it prints stays with the runtime it runs on." : this.lines.length === 0 ? "It printed nothing in the last day."
      : `${f.plural(lines.length, "line")}${word ? ` of ${f.count(this.lines.length)}` : ""}, UTC`;
    this.list.hidden = lines.length === 0;
    this.list.replaceChildren(...lines.map(logLine));
    if (below) this.list.scrollTop = this.list.scrollHeight;
    this.fresh = false;
  }
}

export function functionPage(ui, name) {
  const parts = {}, one = new ChartBox(), two = new ChartBox(), log = new LogTail(ui, name);
  const part = cards(parts);
  parts.head = loading(2);
  const run = ui.me.scope === "read" ? null : runCard(ui, name);
  const page = h("div", { class: "page" }, parts.head,
    run ? h("div", { class: "two uneven" }, run, part("settings", "Settings", { lines: 5 })) : part("settings", "Settings", { lines: 5 }),
    part("days", "Every day", { lines: 6 }),
    h("section", { class: "card", "aria-labelledby": "h-log" }, h("h2", { id: "h-log" }, "Log"), log.el),
    part("calls", "Newest invocations", { lines: 5 }));
  const base = `/v1/accounts/${enc(ui.account)}`, own = `${base}/functions/${enc(name)}`;
  let book = null;
  const load = async () => {
    const query = `${base}/usage?month=${ui.month}&function=${enc(name)}`;
    const [total, days, status, cost, deployed, recent] = await Promise.all([ui.api.get(query), ui.api.get(`${query}&granularity=day`), ui.api.get(`${query}&group_by=status`),
      readCost(ui.api, base, ui.month, "&memory=true"), ui.api.maybe(own), ui.api.maybe(`${own}/invocations?limit=20`), log.load()]);
    if (!book) book = (await ui.api.maybe(`/v1/price-books/${enc(cost?.price_book ?? "default")}`))?.document ?? {};
    return { name, total: total.items[0] ?? total.total, events: total.events, days, status: new Map(status.items.map((r) => [r.status, r.invocations])), cost, deployed,
      memory: (cost?.memory ?? []).filter((r) => r.function === name), recent: recent?.items ?? [] };
  };
  const update = (data, m) => {
    const items = data.days.items, chart = ui.form === "chart" && items.length > 0;
    if (run && data.deployed === null && run.isConnected) run.replaceChildren(h("h2", { id: "h-run" }, "Run it"), empty("It runs elsewhere.", "Deploy it here under its name, and it keeps its usage."));
    show(parts.head, [data.total, data.cost?.functions?.[name]], () => head(data));
    show(parts.days, [items, m, ui.form], () => [
      h("div", { class: "controls" }, h("ul", { class: "series" }, chart ? [["p50", "--series-2"], ["p95", "--series-1"], ["p99", "--series-5"], ["failed", "--bad"], ["refused", "--series-3"]].map(([n, c]) =>
        h("li", {}, h("span", { class: "key", vars: { "--c": `var(${c})` } }), n)) : null),
        segments("How to show it", "form", [["chart", "Chart"], ["table", "Table"]], ui.form, (v) => { ui.form = v; ui.redraw(); })),
      items.length === 0 ? empty("It did not run in this month.") : chart ? h("div", { class: "charts" }, one.el, two.el) : dayTable(items)]);
    if (chart) { one.draw(latency(data, m, items)); two.draw(calls(data, m, items)); }
    show(parts.settings, [data.deployed, data.memory, data.events, [...data.status]], () => settings(data));
    show(parts.calls, data.recent, () => invocationTable(data.recent, { book, currency: data.cost?.currency ?? "", account: ui.account, functions: false, none: empty("It did not run lately.") }));
    if (log.fresh || !log.drawn) { log.draw(); log.drawn = true; }
  };
  return { title: name, month: true, page, load, update, every: 3000, close: () => { one.close(); two.close(); } };
}
