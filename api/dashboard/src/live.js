// The newest invocations as they come, with what each one cost; a table that other pages use too.
import { enc } from "./api.js";
import { card, chip, empty, h, loading, show, sortableTable } from "./dom.js";
import * as f from "./format.js";
import { listPrice } from "./money.js";

const STATUS = { ok: "ok", error: "error", timeout: "timed out", out_of_memory: "out of memory", init_error: "failed to start", killed: "killed" };
const today = () => new Date().toISOString().slice(0, 10);

export function invocationTable(rows, { book, currency, account, functions = true, none }) {
  const priceCell = (r) => { const price = listPrice(book, r); return price === null ? "–" : `${(price * 1e6).toFixed(2)} µ${currency}`; };
  const date = rows.some((r) => f.day(r.started_at) !== today());
  return sortableTable({
    caption: "Invocations, newest first", state: {}, rows, empty: none ?? empty("Nothing ran in the last day.", "Invoke a function and it shows up here within a second."),
    columns: [
      { name: "at", label: "Started (UTC)", cell: (r) => h("time", { datetime: r.started_at, class: "mono" }, date ? f.dateTime(r.started_at) : r.started_at.slice(11, 23)) },
      functions ? { name: "function", label: "Function", cell: (r) => h("a", { href: `#/${account}/functions/${r.function}` }, r.function) } : null,
      { name: "status", label: "Status", cell: (r) => chip(r.status === "ok" ? "ok" : "bad", STATUS[r.status] ?? r.status) },
      { name: "cold", label: "Start", cell: (r) => (r.cold ? h("span", { class: "warn" }, "cold") : h("span", { class: "muted" }, "warm")) },
      { name: "duration", label: "Duration", right: true, cell: (r) => f.micros(r.duration_us) },
      { name: "billed", label: "Billed", right: true, cell: (r) => `${f.count(r.billed_ms)} ms` },
      { name: "peak", label: "Peak / memory", short: "Memory", right: true, cell: (r) => `${f.mebibytes(r.peak_kib)} / ${r.memory_mb} MiB` },
      { name: "gb_s", label: "GB-s", desk: true, right: true, cell: (r) => f.decimal((Number(r.mb_ms) / 1024000).toFixed(9), 6) },
      { name: "cost", label: "List price", short: "Price", right: true, cell: priceCell },
      { name: "id", label: "Request", desk: true, cell: (r) => h("code", { title: r.request_id }, r.request_id.slice(0, 8)) },
    ].filter(Boolean),
  });
}

export function livePage(ui) {
  const part = loading(8);
  const page = h("div", { class: "page" }, card("Invocations, newest first", "h-live",
    h("p", { class: "fine-print lead" }, "The last day, refreshed every two seconds. Each row is one usage record; its price is the list price before free allowances, in millionths."), part));
  let book = null, currency = "";
  const load = async () => {
    if (!book) {
      const about = await ui.api.get(`/v1/accounts/${enc(ui.account)}`);
      currency = about.currency;
      book = (await ui.api.maybe(`/v1/price-books/${enc(about.price_book)}`))?.document ?? {};
    }
    return (await ui.api.get(`/v1/accounts/${enc(ui.account)}/invocations?limit=50`)).items;
  };
  const update = (rows) => show(part, rows, () => invocationTable(rows, { book, currency, account: ui.account }));
  return { title: "Live", page, load, update, every: 2000 };
}
