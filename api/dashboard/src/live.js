// The newest invocations as they come, with what each one cost in GB-seconds.
import { enc } from "./api.js";
import { card, h, show, sortableTable } from "./dom.js";
import * as f from "./format.js";
import { listPrice } from "./money.js";

export function livePage(ui) {
  const part = h("div", { class: "fill" }, h("p", { class: "loading" }, "Loading…"));
  const page = h("div", { class: "page" }, card("Invocations, newest first", "h-live",
    h("p", { class: "fine-print" }, "The last day, refreshed every two seconds. Each row is one usage record; its price is the list price before free allowances, in millionths."), part));
  let book = null, currency = "";
  const load = async () => {
    if (!book) {
      const about = await ui.api.get(`/v1/accounts/${enc(ui.account)}`);
      currency = about.currency;
      book = (await ui.api.maybe(`/v1/price-books/${enc(about.price_book)}`))?.document ?? {};
    }
    return (await ui.api.get(`/v1/accounts/${enc(ui.account)}/invocations?limit=50`)).items;
  };
  const costCell = (r) => { const price = listPrice(book, r); return price === null ? "–" : `${(price * 1e6).toFixed(2)} µ${currency}`; };
  const update = (rows) => show(part, rows, () => sortableTable({
    caption: "Invocations, newest first", state: {}, rows, empty: "Nothing ran in the last day. Invoke a function and it shows up here.",
    columns: [
      { name: "at", label: "Started (UTC)", cell: (r) => f.dateTime(r.started_at) },
      { name: "function", label: "Function", cell: (r) => r.function },
      { name: "status", label: "Status", cell: (r) => h("span", { class: `chip ${r.status === "ok" ? "ok" : "bad"}` }, r.status) },
      { name: "cold", label: "Start", cell: (r) => (r.cold ? "cold" : "warm") },
      { name: "duration", label: "Duration", right: true, cell: (r) => f.micros(r.duration_us) },
      { name: "billed", label: "Billed", right: true, cell: (r) => `${f.count(r.billed_ms)} ms` },
      { name: "peak", label: "Peak / memory", right: true, cell: (r) => `${f.mebibytes(r.peak_kib)} / ${r.memory_mb} MiB` },
      { name: "gb_s", label: "GB-s", right: true, cell: (r) => f.decimal((Number(r.mb_ms) / 1024000).toFixed(9), 6) },
      { name: "cost", label: "List price", right: true, cell: costCell },
      { name: "id", label: "Request", cell: (r) => h("code", {}, r.request_id.slice(0, 8)) },
    ],
  }));
  return { page, load, update, every: 2000 };
}
