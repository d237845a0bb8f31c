// One account at a glance: what the month costs and will cost, where the money goes, where its limits stand.
import { enc } from "./api.js";
import { ChartBox, SERIES_MAX } from "./chart.js";
import { bar, cards, chip, empty, h, loading, ranking, segments, show, sortableTable, tile } from "./dom.js";
import * as f from "./format.js";
import { costOf, costRates, freeTier, hasExtras, readCost, usageTotal } from "./money.js";
import { quotaList } from "./quotas.js";

const METRICS = {
  cost: { label: "Cost", unit: (c) => c, of: (r, rates) => costOf(rates, r), format: (v, c) => f.moneyNumber(v, c), axis: (v, c, whole) => f.moneyAxis(v, c, whole) },
  gb_s: { label: "GB-seconds", unit: () => "GB-s", of: (r) => Number(r.mb_ms) / 1024000, format: (v) => `${f.decimal(v.toFixed(6), 3)} GB-s`, axis: (v) => f.compact(v) },
  invocations: { label: "Invocations", unit: () => "invocations", of: (r) => r.invocations, format: (v) => f.count(v), axis: (v) => f.compact(v) },
  billed: { label: "Billed time", unit: () => "billed time", of: (r) => Number(r.billed_ms), format: (v) => f.micros(v * 1000), axis: (v) => (v ? f.micros(v * 1000) : "0") },
};

export async function loadOverview(api, account, month) {
  const base = `/v1/accounts/${enc(account)}`;
  const [about, quotas, cost, invoices, days, functions] = await Promise.all([
    api.get(base),
    api.get(`${base}/quotas`),
    readCost(api, base, month, "&memory=true"),
    api.maybe(`${base}/invoices?limit=30`),
    api.get(`${base}/usage?month=${month}&granularity=day&group_by=function`),
    api.get(`${base}/usage?month=${month}&group_by=function`),
  ]);
  const book = await api.maybe(`/v1/price-books/${enc(about.price_book)}`);
  const before = invoices?.items.find((i) => i.month === f.monthBefore(month) && i.kind === "invoice" && i.state === "issued") ?? null;
  return { about, quotas: quotas.items, cost, before, days, functions, book: book?.document };
}

// ---- the head: cost, and three numbers

function compared(data, month) {
  const before = data.before;
  if (!before || Number(before.total) === 0 || !data.cost || before.currency !== data.cost.currency) return null;
  const forecast = data.cost.forecast, now = Number(forecast?.expected ?? data.cost.total);
  const then = Number(forecast && before.net ? before.net : before.total);
  if (then === 0) return null;
  const change = (100 * (now - then)) / then;
  const words = Math.abs(change) < 1 ? "about as much as" : `${Math.abs(change) < 1000 ? Math.abs(change).toFixed(0) : "over 1000"} % ${change > 0 ? "more" : "less"} than`;
  return h("p", { class: "muted" }, `${words} ${f.monthName(f.monthBefore(month)).split(" ")[0]} (${f.money(then.toFixed(2), before.currency)}${forecast && before.net && before.net !== before.total ? " net" : ""})`);
}

function headline(data, month) {
  const cost = data.cost, current = month === f.monthNow();
  if (!cost) return h("div", { class: "headline" }, h("p", { class: "label" }, "Cost"), h("p", { class: "huge" }, "–"), h("p", { class: "muted" }, "no bill yet"));
  const forecast = current ? cost.forecast : null;
  const state = { estimate: current ? "estimate until the month is closed" : "not closed yet", issued: "invoice issued", parked: "parked: the operator looks into it" }[cost.state] ?? cost.state;
  return h("div", { class: "headline" },
    h("p", { class: "label" }, current ? "Cost so far" : "Cost", chip(cost.state === "issued" ? "ok" : cost.state === "parked" ? "bad" : "plain", state)),
    h("p", { class: "huge", id: "cost-total" }, f.money(cost.total, cost.currency)),
    forecast ? h("p", {}, h("strong", {}, `≈ ${f.money(forecast.expected, cost.currency)}`), ` by month end${hasExtras(cost) ? ", before tax and credits" : ""}`,
      forecast.low ? h("span", { class: "muted" }, ` (${f.money(forecast.low, cost.currency)} to ${f.money(forecast.high, cost.currency)})`) : null) : null,
    compared(data, month));
}

function numbers(data) {
  const total = data.functions.total ?? {};
  const rate = total.invocations > 0 ? (100 * total.errors) / total.invocations : 0;
  return h("dl", { class: "numbers" },
    tile("Invocations", f.count(total.invocations ?? 0), h("p", { class: "muted" }, f.plural(total.cold_starts ?? 0, "cold start"))),
    tile("Failed", f.percent(rate, rate < 10 ? 1 : 0),
      h("p", {}, h("span", { class: total.errors > 0 ? "warn" : "muted" }, `${f.count(total.errors ?? 0)} failed`), h("span", { class: total.throttles > 0 ? "warn" : "muted" }, ` · ${f.count(total.throttles ?? 0)} refused`))),
    tile("Compute", h("span", {}, f.gbSeconds(total.mb_ms ?? "0"), h("small", {}, " GB-s")), h("p", { class: "muted" }, `${f.micros(Number(total.billed_ms ?? 0) * 1000).replace("–", "0 ms")} billed`)),
    tile("Complete through", h("span", {}, f.time(data.days.complete_through), h("small", {}, " UTC")),
      h("p", { class: data.days.late_pending > 0 ? "warn" : "muted" },
        data.days.late_pending > 0 ? `${f.plural(data.days.late_pending, "record")} on their way` : `everything of ${f.day(data.days.complete_through)} is in`)));
}

// ---- the month as one curve: cost so far, and the forecast with its range

function curve(data, month) {
  const cost = data.cost, n = f.daysIn(month), current = month === f.monthNow();
  const rates = costRates(cost, data.functions.total);
  const daily = new Array(n).fill(0);
  for (const r of data.days.items) daily[Number(r.at.slice(8, 10)) - 1] += costOf(rates, r);
  const last = current ? new Date().getUTCDate() : n;
  let sum = 0;
  const soFar = daily.map((v, i) => (i < last ? (sum += v) : null));
  // The curve ends at the bill's own number: its total, or its usage where the forecast knows no more than that.
  const end = current && hasExtras(cost) ? usageTotal(cost) : Number(cost.total);
  const scale = sum > 0 ? end / sum : 1;
  const actual = soFar.map((v) => (v === null ? null : v * scale));
  const series = [{ name: "Cost so far", values: actual, kind: "line", color: "--series-1", fill: 14 }];
  if (current && cost.forecast && last < n) {
    const toward = (goal) => actual.map((v, i) => (i < last - 1 ? null : end + ((Number(goal) - end) * (i - last + 1)) / (n - last)));
    series.push({ name: "Low", values: toward(cost.forecast.low), kind: "line", color: "--series-other", dash: [2, 3], silent: false });
    series.push({ name: "High", values: toward(cost.forecast.high), kind: "range", color: "--series-1", fill: 16 });
    series.push({ name: "Forecast", values: toward(cost.forecast.expected), kind: "line", color: "--series-1", dash: [5, 4] });
  }
  const spend = data.quotas.find((q) => q.name === "spend_per_month" && q.limit !== null);
  const highest = Math.max(...series.flatMap((s) => s.values.map((v) => v ?? 0)));
  if (spend && Number(spend.limit) < highest * 3) series.push({ name: "Spending limit", values: new Array(n).fill(Number(spend.limit)), kind: "line", color: "--bad", dash: [8, 4] });
  const money = (v) => f.moneyNumber(v, cost.currency);
  return { labels: Array.from({ length: n }, (_, i) => String(i + 1)), series, stacked: false, format: money, axis: (v, whole) => f.moneyAxis(v, cost.currency, whole), titleX: `day of ${f.monthName(month)}, UTC${current && hasExtras(cost) ? "; usage before tax and credits" : ""}`,
    words: `Cost of ${f.monthName(month)} day by day, ${f.money(cost.total, cost.currency)} so far${cost.forecast && current ? `, ${f.money(cost.forecast.expected, cost.currency)} expected at its end` : ""}.` };
}

// ---- daily bars

function dailySeries(data, month, metric) {
  const rates = costRates(data.cost, data.functions.total);
  const n = f.daysIn(month), totals = new Map();
  for (const r of data.days.items) totals.set(r.function, (totals.get(r.function) ?? 0) + metric.of(r, rates));
  const names = [...totals.keys()].sort((a, b) => totals.get(b) - totals.get(a) || a.localeCompare(b));
  const shown = names.length > SERIES_MAX ? names.slice(0, SERIES_MAX - 1) : names;
  const series = shown.map((name, i) => ({ name, values: new Array(n).fill(0), color: `--series-${i + 1}` }));
  const other = { name: `Other (${names.length - shown.length})`, values: new Array(n).fill(0), other: true };
  for (const r of data.days.items) (series[shown.indexOf(r.function)] ?? other).values[Number(r.at.slice(8, 10)) - 1] += metric.of(r, rates);
  if (names.length > shown.length) series.push(other);
  return { labels: Array.from({ length: n }, (_, i) => String(i + 1)), series };
}

function dailyTable({ labels, series }, metric, month, currency) {
  const days = labels.map((d, i) => ({ day: `${month}-${d.padStart(2, "0")}`, i })).filter((d) => series.some((s) => s.values[d.i] > 0));
  return sortableTable({
    caption: `${metric.label} by day and function`, state: {}, rows: days, empty: empty("Nothing was used in this month."),
    columns: [{ name: "day", label: "Day", cell: (d) => d.day },
      ...series.map((s) => ({ name: s.name, label: s.name, right: true, cell: (d) => metric.format(s.values[d.i], currency) })),
      { name: "total", label: "Total", right: true, cell: (d) => metric.format(series.reduce((a, s) => a + s.values[d.i], 0), currency) }],
  });
}

// ---- where the money goes, and where it need not

function spenders(data, account, colors) {
  const cost = data.cost, all = usageTotal(cost);
  const rows = [...(cost?.rows ?? [])].sort((a, b) => Number(b.exact) - Number(a.exact) || Number(b.gb_seconds) - Number(a.gb_seconds));
  if (rows.length === 0) return empty("No function ran in this month.", "Deploy one with ", h("code", {}, `farthing function deploy DIR --account ${account}`));
  const byUse = all === 0; // all of it is free: shares of compute
  const compute = rows.reduce((a, r) => a + Number(r.gb_seconds), 0) || 1;
  const money = f.moneyColumn(rows.map((r) => r.exact), cost.currency);
  return [ranking("Functions by cost", rows.slice(0, 8).map((r) => {
    const share = byUse ? (100 * Number(r.gb_seconds)) / compute : (100 * Number(r.exact)) / all;
    return { label: h("a", { href: `#/${account}/functions/${r.function}` }, r.function), value: money(r.exact), share, note: f.percent(share), color: colors.get(r.function) ?? "var(--series-other)" };
  })),
  !byUse && Math.abs(all - Number(cost.total)) >= 0.01 ? h("p", { class: "fine-print" }, `Shares of ${f.money(all.toFixed(2), cost.currency)} for usage; fees, credits and tax make it ${f.money(cost.total, cost.currency)}.`) : null,
  byUse ? h("p", { class: "fine-print" }, "All of it is within the free tier; the bars are shares of compute.") : null,
  rows.length > 8 ? h("p", { class: "fine-print" }, h("a", { href: `#/${account}/functions` }, `All ${rows.length} functions`)) : null];
}

export function hint(r, currency) {
  if (!r || !r.peak_max_kib || r.needed_mb === r.memory_mb) return null;
  const saving = Number(r.saving), peak = f.mebibytes(r.peak_max_kib);
  if (r.needed_mb > r.memory_mb) {
    return { kind: "warn", text: `used up to ${peak} of ${r.memory_mb} MiB: give it ${r.needed_mb} MiB before it runs out`, saving: 0 };
  }
  return saving > 0 ? { kind: "ok", text: `never used more than ${peak} of ${r.memory_mb} MiB: ${r.needed_mb} MiB is enough`, saving, amount: f.money(r.saving, currency) } : null;
}

function sizing(data, account) {
  const money = f.moneyColumn((data.cost?.memory ?? []).map((r) => r.saving), data.cost?.currency);
  const hints = (data.cost?.memory ?? []).map((r) => ({ ...hint(r, data.cost.currency), name: r.function, money: money(r.saving) })).filter((r) => r.text)
    .sort((a, b) => (b.kind === "warn") - (a.kind === "warn") || b.saving - a.saving).slice(0, 5);
  if (hints.length === 0) return empty("Memory fits.", "No function has much more, or too little, memory than it used this month.");
  return [h("ul", { class: "events" }, hints.map((r) => h("li", {}, h("span", { class: `dot ${r.kind}`, "aria-hidden": "true" }),
    h("span", {}, h("a", { href: `#/${account}/functions/${r.name}` }, r.name), ` ${r.text}`), h("span", { class: "amount" }, r.amount ? `saves ${r.money}` : "at risk")))),
  h("p", { class: "fine-print" }, "Rated again with durations as they were; a function that computes more than it waits gets slower with less memory.")];
}

function free(data) {
  const meters = freeTier(data);
  if (meters.length === 0) return empty("No free allowance.", "The price book of this account has none.");
  return meters.map((m) => {
    const share = Math.min(100, m.share);
    return h("div", { class: "quota" },
      h("div", { class: "quota-head" }, h("h3", {}, m.name), chip("plain", m.share >= 100 ? "used up" : `${(100 - m.share).toFixed(m.share > 99 ? 2 : 0)} % left`)),
      bar({ label: `Free ${m.name}`, words: m.words, now: share, kind: m.share >= 100 ? "spent" : "free", parts: [{ class: "used", share }] }),
      h("p", { class: "fine-print" }, m.words, m.runsOut ? ` · at this rate until ${m.runsOut}` : ""));
  });
}

// ---- the page

export function overviewPage(ui) {
  const parts = {}, month = new ChartBox(), days = new ChartBox();
  const part = cards(parts);
  parts.head = loading(3);
  parts.numbers = loading(3);
  parts.curve = h("div", { class: "fill" });
  const page = h("div", { class: "page" },
    h("section", { class: "card hero", "aria-label": "The month" }, h("div", {}, parts.head, parts.numbers), parts.curve),
    part("daily", "Every day", { lines: 6 }),
    h("div", { class: "two" }, part("spenders", "Where the money goes", { lines: 5 }), part("quotas", "Limits", { lines: 5 })),
    h("div", { class: "two" }, part("sizing", "Right size"), part("free", "Free tier")));
  const account = enc(ui.account);
  const update = (data, m) => {
    const metric = METRICS[ui.metric], series = dailySeries(data, m, metric), currency = data.about.currency;
    const choose = (name) => (value) => { ui[name] = value; ui.redraw(); };
    const colors = new Map(dailySeries(data, m, METRICS.cost).series.map((s) => [s.name, `var(${s.color ?? "--series-other"})`]));
    show(parts.head, [data.cost, data.before?.total, m], () => headline(data, m));
    show(parts.numbers, [data.functions.total, data.days.complete_through, data.days.late_pending], () => numbers(data));
    show(parts.curve, [data.cost?.total, m, Number(data.cost?.total) > 0], () => (Number(data.cost?.total) > 0 ? month.el
      : empty(data.functions.total?.invocations ? "Nothing to pay yet." : "Nothing was used in this month.", "The curve of cost and its forecast appear with the first amount.")));
    if (Number(data.cost?.total) > 0) month.draw(curve(data, m));
    const chart = ui.form === "chart" && series.series.length > 0;
    show(parts.daily, [data.days.items, m, ui.metric, ui.form, currency], () => [
      h("div", { class: "controls" }, segments("What to show", "metric", Object.entries(METRICS).map(([k, v]) => [k, v.label]), ui.metric, choose("metric")),
        segments("How to show it", "form", [["chart", "Chart"], ["table", "Table"]], ui.form, choose("form"))),
      series.series.length === 0 ? empty("Nothing was used in this month.") : chart ? days.el : dailyTable(series, metric, m, currency),
      chart ? h("ul", { class: "series" }, series.series.map((s) => h("li", {}, h("span", { class: "key", vars: { "--c": `var(${s.color ?? "--series-other"})` } }), s.name))) : null]);
    if (chart) {
      const sum = series.series.reduce((a, s) => a + s.values.reduce((x, y) => x + y, 0), 0);
      days.draw({ ...series, total: true, title: metric.unit(currency), format: (v) => metric.format(v, currency), axis: (v, whole) => metric.axis(v, currency, whole), tip: (i) => `${m}-${String(i + 1).padStart(2, "0")}`,
        words: `${metric.label} by day, stacked by function: ${metric.format(sum, currency)} in ${f.monthName(m)}, most from ${series.series[0].name}. The table has every number.` });
    }
    show(parts.spenders, [data.cost?.rows, m], () => spenders(data, account, colors));
    show(parts.quotas, [data.quotas, ui.admin], () => quotaList(data.quotas, currency, ui, { brief: true }));
    show(parts.sizing, data.cost?.memory, () => sizing(data, account));
    show(parts.free, [data.book?.free, data.functions.total], () => free(data));
  };
  return { title: "Overview", month: true, page, load: () => loadOverview(ui.api, ui.account, ui.month), update, close: () => { month.close(); days.close(); } };
}
