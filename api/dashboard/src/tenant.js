// One account: what it used, what it costs, where its limits stand, its functions and its bills.
import { enc, Problem } from "./api.js";
import { card, h, say, show, sortableTable } from "./dom.js";
import * as f from "./format.js";
import { freeTier, readCost } from "./money.js";
import { seriesColor, SERIES_MAX, stackedBars } from "./chart.js";

const LAYOUTS = [
  ["pdf", "PDF"], ["html", "Page"], ["summary", "Summary CSV"], ["focus", "FOCUS CSV"], ["aws", "AWS CSV"], ["records", "Records CSV"],
];

const METRICS = {
  gb_s: { label: "GB-seconds", of: (r) => Number(r.mb_ms) / 1024000, format: (v) => `${f.decimal(v.toFixed(6), 3)} GB-s` },
  invocations: { label: "Invocations", of: (r) => r.invocations, format: (v) => f.count(v) },
  billed: { label: "Billed time", of: (r) => Number(r.billed_ms), format: (v) => f.micros(v * 1000) },
};

export async function loadTenant(api, account, month) {
  const base = `/v1/accounts/${enc(account)}`;
  const [about, quotas, invoices, cost, days, functions] = await Promise.all([
    api.get(base),
    api.get(`${base}/quotas`),
    api.maybe(`${base}/invoices?limit=100`),
    readCost(api, base, month),
    api.get(`${base}/usage?month=${month}&granularity=day&group_by=function`),
    api.get(`${base}/usage?month=${month}&group_by=function,memory`),
  ]);
  const book = await api.maybe(`/v1/price-books/${enc(about.price_book)}`);
  return { about, quotas: quotas.items, invoices: invoices?.items ?? [], cost, days, functions, book: book?.document };
}

// ---- tiles

function tile(label, value, ...more) {
  return h("div", { class: "tile" }, h("dt", {}, label), h("dd", {}, h("span", { class: "big" }, value), more));
}

function tiles(data, month) {
  const total = data.functions.total ?? {};
  const current = month === f.monthNow();
  const cost = data.cost;
  const rate = total.invocations > 0 ? (100 * total.errors) / total.invocations : 0;
  return h("dl", { class: "tiles" },
    tile(current ? "Cost so far" : "Cost", cost ? f.money(cost.total, cost.currency) : "–",
      cost?.forecast && current
        ? h("p", {}, `≈ ${f.money(cost.forecast.expected, cost.currency)} by month end`,
            cost.forecast.low ? h("span", { class: "muted" }, ` (${f.money(cost.forecast.low, cost.currency)} to ${f.money(cost.forecast.high, cost.currency)})`) : null)
        : h("p", { class: "muted" }, cost ? (current ? "estimate until the month is closed" : "") : "no bill yet")),
    tile("Invocations", f.count(total.invocations ?? 0),
      h("p", {}, h("span", { class: total.errors > 0 ? "warn" : "muted" }, `${f.count(total.errors ?? 0)} failed (${rate.toFixed(rate < 10 ? 1 : 0)} %)`),
        h("span", { class: total.throttles > 0 ? "warn" : "muted" }, ` · ${f.count(total.throttles ?? 0)} refused`))),
    tile("Compute", `${f.gbSeconds(total.mb_ms ?? "0")} GB-s`,
      h("p", { class: "muted" }, `${f.micros(Number(total.billed_ms ?? 0) * 1000)} billed, ${f.count(total.cold_starts ?? 0)} cold starts`)),
    tile("Complete through", `${f.time(data.days.complete_through)} UTC`,
      h("p", { class: data.days.late_pending > 0 ? "warn" : "muted" },
        data.days.late_pending > 0 ? `${f.count(data.days.late_pending)} records on their way` : `all records of ${data.days.complete_through.slice(0, 10)} are in`)));
}

// ---- quotas

const QUOTA_NAMES = {
  concurrency: "Running at once", requests_per_second: "Calls per second", requests_per_month: "Calls per month",
  gb_seconds_per_month: "GB-seconds per month", spend_per_month: "Spend per month", memory_mb: "Memory of a function",
  functions: "Functions", code_bytes: "Stored code", async_queue: "Queued events",
};
const CEILINGS = new Set(["memory_mb", "requests_per_second"]); // limits without a level to show

export const quotaName = (name) => QUOTA_NAMES[name] ?? name;

function quotaText(q, text, currency) {
  if (q.name === "spend_per_month") return f.money(text, currency);
  const [whole, part = ""] = String(text).split(".");
  return part ? f.decimal(text, Math.min(part.length, 3)) : f.count(whole);
}

function quotaBar(q, currency) {
  const limit = Number(q.limit) || 0;
  const share = (text) => (limit > 0 ? Math.min(100, (100 * Number(text || 0)) / limit) : Number(text) > 0 ? 100 : 0);
  const used = share(q.used), held = Math.min(100 - used, share(q.held));
  const level = used >= 100 ? "full" : used >= 80 ? "high" : "fine";
  const words = `${quotaText(q, q.used || "0", currency)} of ${quotaText(q, q.limit, currency)}`;
  return [
    h("div", { class: `bar ${level}`, role: "meter", "aria-label": quotaName(q.name), "aria-valuemin": 0, "aria-valuemax": 100,
      "aria-valuenow": Math.round(used), "aria-valuetext": `${words} used, ${quotaText(q, q.held || "0", currency)} held` },
      h("span", { class: "used", vars: { "--w": `${used}%` } }), h("span", { class: "held", vars: { "--w": `${held}%` } }),
      q.thresholds.filter((t) => t < 100).map((t) => h("span", { class: "tick", vars: { "--x": `${t}%` } }))),
    h("p", { class: "fine-print" }, words,
      Number(q.held) > 0 ? ` · ${quotaText(q, q.held, currency)} held` : "",
      q.available ? ` · ${quotaText(q, q.available, currency)} available` : "",
      q.resets_at ? ` · resets ${q.resets_at.slice(0, 10)}` : ""),
  ];
}

function quotas(data, ui) {
  const set = data.quotas.filter((q) => q.limit !== null);
  const unset = data.quotas.filter((q) => q.limit === null);
  const currency = data.about.currency;
  const edit = (q) => ui.admin
    ? h("button", { type: "button", class: "link", "data-focus": `quota-${q.name}`, "aria-label": `Change limit: ${quotaName(q.name)}`, onclick: () => ui.editQuota(q) }, "Change") : null;
  return [
    set.length === 0 ? h("p", { class: "empty" }, "No limits are set: nothing stops this account.") : null,
    set.map((q) => h("div", { class: "quota" },
      h("div", { class: "quota-head" }, h("h3", {}, quotaName(q.name)),
        h("span", { class: `chip ${q.action}` }, q.action === "block" ? "hard stop" : "notify only"), q.inherited ? h("span", { class: "chip" }, "default") : null, edit(q)),
      CEILINGS.has(q.name) ? h("p", { class: "fine-print" }, `at most ${quotaText(q, q.limit, currency)} ${q.unit}`) : quotaBar(q, currency))),
    set.length ? h("p", { class: "legend" }, h("span", { class: "key used" }), "used ", h("span", { class: "key held" }), "held by running calls ", h("span", { class: "key free" }), "available") : null,
    unset.length ? h("p", { class: "fine-print" }, "No limit: ", unset.map((q, i) => [i ? ", " : "", ui.admin
      ? h("button", { type: "button", class: "link", "data-focus": `quota-${q.name}`, onclick: () => ui.editQuota(q) }, quotaName(q.name).toLowerCase()) : quotaName(q.name).toLowerCase()])) : null,
  ];
}

// ---- free tier

function free(data) {
  const meters = freeTier(data);
  if (meters.length === 0) return [h("p", { class: "empty" }, "The price book of this account has no free allowance.")];
  return meters.map((m) => {
    const share = Math.min(100, m.share);
    return h("div", { class: "quota" },
      h("div", { class: "quota-head" }, h("h3", {}, m.name), h("span", { class: "chip" }, m.share >= 100 ? "used up" : `${(100 - m.share).toFixed(m.share > 99 ? 2 : 0)} % left`)),
      h("div", { class: "bar free", role: "meter", "aria-label": `Free ${m.name}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share), "aria-valuetext": m.words },
        h("span", { class: "used", vars: { "--w": `${share}%` } })),
      h("p", { class: "fine-print" }, m.words, m.runsOut ? ` · at this rate until ${m.runsOut}` : ""));
  });
}

// ---- daily bars

function dailySeries(data, month, metric) {
  const rows = data.days.items;
  const n = f.daysIn(month);
  const totals = new Map();
  for (const r of rows) totals.set(r.function, (totals.get(r.function) ?? 0) + metric.of(r));
  const names = [...totals.keys()].sort((a, b) => totals.get(b) - totals.get(a) || a.localeCompare(b));
  const shown = names.length > SERIES_MAX ? names.slice(0, SERIES_MAX - 1) : names;
  const series = shown.map((name) => ({ name, values: new Array(n).fill(0) }));
  const other = { name: `Other (${names.length - shown.length})`, values: new Array(n).fill(0), other: true };
  for (const r of rows) {
    const day = Number(r.at.slice(8, 10)) - 1;
    (series[shown.indexOf(r.function)] ?? other).values[day] += metric.of(r);
  }
  if (names.length > shown.length) series.push(other);
  return { labels: Array.from({ length: n }, (_, i) => String(i + 1)), series };
}

function dailyTable(labels, series, metric, month) {
  const days = labels.map((d, i) => ({ day: `${month}-${d.padStart(2, "0")}`, i })).filter((d) => series.some((s) => s.values[d.i] > 0));
  return sortableTable({
    caption: `${metric.label} by day and function`, state: {}, rows: days, empty: "Nothing was used in this month.",
    columns: [{ name: "day", label: "Day", cell: (d) => d.day },
      ...series.map((s) => ({ name: s.name, label: s.name, right: true, cell: (d) => metric.format(s.values[d.i]) })),
      { name: "total", label: "Total", right: true, cell: (d) => metric.format(series.reduce((a, s) => a + s.values[d.i], 0)) }],
  });
}

function daily(data, month, ui) {
  const metric = METRICS[ui.metric];
  const { labels, series } = dailySeries(data, month, metric);
  const radio = (name, value, label, group) => h("label", { class: "segment" },
    h("input", { type: "radio", name: group, value, checked: ui[name] === value, "data-focus": `${name}-${value}`, onchange: () => { ui[name] = value; ui.redraw(); } }), h("span", {}, label));
  const controls = h("div", { class: "controls" },
    h("div", { class: "segments", role: "radiogroup", "aria-label": "What to show" }, Object.entries(METRICS).map(([k, m]) => radio("metric", k, m.label, "metric"))),
    h("div", { class: "segments", role: "radiogroup", "aria-label": "How to show it" }, radio("form", "chart", "Chart", "form"), radio("form", "table", "Table", "form")));
  if (series.length === 0) return [controls, h("p", { class: "empty" }, "Nothing was used in this month.")];
  if (ui.form === "table") return [controls, dailyTable(labels, series, metric, month)];
  const sum = series.reduce((a, s) => a + s.values.reduce((x, y) => x + y, 0), 0);
  const canvas = h("canvas", { role: "img", "aria-label": `${metric.label} by day, stacked by function: ${metric.format(sum)} in ${f.monthName(month)}, most from ${series[0].name}. The table has every number.` });
  queueMicrotask(() => canvas.isConnected && stackedBars(canvas, { labels, series, format: metric.format,
    axis: (v) => (ui.metric === "billed" ? f.micros(v * 1000).replace("–", "0") : f.compact(v)) }));
  return [controls, h("div", { class: "chart" }, canvas),
    h("ul", { class: "series" }, series.map((s, i) => h("li", {}, h("span", { class: "key", vars: { "--c": s.other ? "var(--series-other)" : seriesColor(i) } }), s.name)))];
}

// ---- functions

function functionRows(data) {
  const rows = new Map();
  for (const r of data.functions.items) {
    const row = rows.get(r.function) ?? { name: r.function, invocations: 0, errors: 0, throttles: 0, cold: 0, mbMs: 0n, billed: 0n, memory: 0, peak: 0, p95: 0 };
    row.invocations += r.invocations;
    row.errors += r.errors;
    row.throttles += r.throttles;
    row.cold += r.cold_starts;
    row.mbMs += BigInt(r.mb_ms);
    row.billed += BigInt(r.billed_ms);
    row.memory = Math.max(row.memory, r.memory_mb);
    row.peak = Math.max(row.peak, r.peak_kib_max);
    row.p95 = Math.max(row.p95, r.p95_us ?? 0);
    rows.set(r.function, row);
  }
  for (const row of rows.values()) row.cost = data.cost?.functions?.[row.name] ?? null;
  return [...rows.values()];
}

function memoryCell(r) {
  const share = r.memory > 0 ? Math.min(100, (100 * r.peak) / 1024 / r.memory) : 0;
  return h("span", { class: "memory" }, `${f.mebibytes(r.peak)} / ${r.memory} MiB`, h("span", { class: "mini", "aria-hidden": "true" }, h("span", { vars: { "--w": `${share}%` } })));
}

function functions(data, ui) {
  const currency = data.cost?.currency ?? data.about.currency;
  const perMillion = (r) => (r.cost && r.invocations > 0 ? f.money(((Number(r.cost) * 1e6) / r.invocations).toFixed(2), currency) : "–");
  return sortableTable({
    caption: "Functions of this month", state: ui.sort, rows: functionRows(data), onSort: ui.redraw,
    empty: "No function ran in this month. Deploy one: farthing function deploy DIR --account ACCOUNT",
    columns: [
      { name: "name", label: "Function", cell: (r) => r.name, sort: (r) => r.name },
      { name: "invocations", label: "Invocations", right: true, cell: (r) => f.count(r.invocations), sort: (r) => r.invocations },
      { name: "errors", label: "Errors", right: true, cell: (r) => h("span", { class: r.errors ? "warn" : null }, f.count(r.errors)), sort: (r) => r.errors },
      { name: "throttles", label: "Refused", right: true, cell: (r) => h("span", { class: r.throttles ? "warn" : null }, f.count(r.throttles)), sort: (r) => r.throttles },
      { name: "p95", label: "p95", right: true, cell: (r) => f.micros(r.p95), sort: (r) => r.p95 },
      { name: "peak", label: "Peak / memory", right: true, cell: memoryCell, sort: (r) => r.peak },
      { name: "gb_s", label: "GB-s", right: true, cell: (r) => f.gbSeconds(r.mbMs), sort: (r) => r.mbMs },
      { name: "cost", label: "Cost", right: true, cell: (r) => (r.cost ? f.money(r.cost, currency) : "–"), sort: (r) => Number(r.cost ?? 0) },
      { name: "million", label: "Per million", right: true, cell: perMillion, sort: (r) => (r.invocations ? Number(r.cost ?? 0) / r.invocations : 0) },
    ],
  });
}

// ---- bills

function bills(data, month, ui) {
  const invoices = data.invoices;
  const has = invoices.some((i) => i.month === month);
  const rows = [...(has ? [] : [{ month, state: "estimate", number: null, total: data.cost?.total, currency: data.cost?.currency }]), ...invoices];
  const downloads = (row) => h("span", { class: "downloads" }, LAYOUTS.map(([layout, label]) =>
    h("button", { type: "button", class: "small", "data-focus": `dl-${row.month}-${layout}`, "aria-label": `${label} of ${f.monthName(row.month)}`, onclick: () => ui.download(row.month, layout) }, label)));
  return sortableTable({
    caption: "Bills", state: {}, rows, empty: "",
    columns: [
      { name: "month", label: "Month", cell: (r) => f.monthName(r.month) },
      { name: "number", label: "Number", cell: (r) => r.number ?? "–" },
      { name: "state", label: "State", cell: (r) => h("span", { class: `chip ${r.state}` }, r.state) },
      { name: "total", label: "Total", right: true, cell: (r) => (r.total ? f.money(r.total, r.currency) : "–") },
      { name: "files", label: "Download", cell: downloads },
    ],
  });
}

// ---- the page

export function tenantPage(ui) {
  const parts = {};
  const part = (name, title) => {
    parts[name] = h("div", { class: "fill" }, h("p", { class: "loading" }, "Loading…"));
    return card(title, `h-${name}`, parts[name]);
  };
  parts.tiles = h("div", { class: "tiles-fill" }, h("p", { class: "loading" }, "Loading…"));
  const page = h("div", { class: "page" }, parts.tiles,
    part("daily", "Every day"),
    h("div", { class: "two" }, part("quotas", "Limits"), part("free", "Free tier")),
    part("functions", "Functions"), part("bills", "Bills"));
  ui.download = async (month, layout) => {
    try {
      say(`${await ui.api.download(`/v1/accounts/${enc(ui.account)}/bills/${month}?layout=${layout}`, `bill-${month}`)} is downloaded.`);
    } catch (error) {
      ui.toast(error instanceof Problem ? error.message : "The file could not be fetched.");
    }
  };
  const update = (data, month) => {
    show(parts.tiles, [data.cost, data.functions.total, data.days.complete_through, data.days.late_pending, month], () => tiles(data, month));
    show(parts.daily, [data.days.items, month, ui.metric, ui.form, ui.scheme], () => daily(data, month, ui));
    show(parts.quotas, [data.quotas, ui.admin], () => quotas(data, ui));
    show(parts.free, [data.book?.free, data.functions.total], () => free(data));
    show(parts.functions, [data.functions.items, data.cost, ui.sort], () => functions(data, ui));
    show(parts.bills, [data.invoices, data.cost?.total, month], () => bills(data, month, ui));
  };
  return { page, load: () => loadTenant(ui.api, ui.account, ui.month), update };
}
