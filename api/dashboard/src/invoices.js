// Bills and invoices of an account: the running month as an estimate, what was issued, its lines and its files.
import { enc, Problem } from "./api.js";
import { cards, chip, empty, h, say, show, sortableTable } from "./dom.js";
import * as f from "./format.js";
import { readCost } from "./money.js";

const FILES = [["pdf", "PDF"], ["html", "HTML"]];
const DATA = [["summary", "Summary CSV"], ["focus", "FOCUS CSV"], ["aws", "AWS CSV"], ["records", "Records CSV"]];

// Buttons that download a month, or one invoice or credit note; the data files are behind "CSV".
export function downloads(ui, account, month, invoice) {
  const path = `/v1/accounts/${enc(account)}/${invoice?.id ? `invoices/${enc(invoice.id)}/document` : `bills/${month}`}`;
  const what = invoice?.number ?? f.monthName(month), key = invoice?.id ?? month;
  const data = invoice?.kind === "credit_note" ? DATA.filter(([layout]) => layout !== "records") : DATA; // its records are its invoice's
  const fetchFile = async (layout) => {
    try {
      say(`${await ui.api.download(`${path}?layout=${layout}`, `bill-${key}`)} is downloaded.`);
    } catch (error) {
      ui.toast(error instanceof Problem ? error.message : "The file could not be fetched.");
    }
  };
  const button = ([layout, label]) => h("button", { type: "button", class: "small", "data-focus": `dl-${key}-${layout}`, "aria-label": `${label} of ${what}`, onclick: () => fetchFile(layout) }, label);
  return h("span", { class: "downloads" }, FILES.map(button),
    h("details", { class: "menu", "data-focus": `more-${key}` }, h("summary", { class: "small", "aria-label": `CSV files of ${what}` }, "CSV"), h("div", {}, data.map(button))));
}

function list(data, ui) {
  const now = f.monthNow(), rows = [...data.invoices];
  if (!rows.some((r) => r.month === now && r.kind === "invoice")) rows.unshift({ month: now, state: "estimate", number: null, total: data.cost?.total, currency: data.cost?.currency });
  const money = new Map([...new Set(rows.map((r) => r.currency))].map((c) => [c, f.moneyColumn(rows.filter((r) => r.currency === c).map((r) => r.total), c)]));
  const overdue = (r) => r.state === "issued" && r.due_at && new Date(r.due_at) < new Date();
  return sortableTable({
    caption: "Bills", state: {}, rows, empty: empty("No bills yet."),
    columns: [
      { name: "month", label: "Month", cell: (r) => (r.id ? h("a", { href: `#/${enc(ui.account)}/invoices/${r.id}` }, f.monthName(r.month)) : f.monthName(r.month)) },
      { name: "number", label: "Number", wide: true, cell: (r) => (r.number ? h("span", { class: "mono" }, r.number) : h("span", { class: "muted" }, r.kind === "credit_note" ? "credit note" : "not issued")) },
      { name: "state", label: "State", cell: (r) => [chip(r.state), r.kind === "credit_note" ? chip("plain", "credit note") : null] },
      { name: "issued", label: "Issued", cell: (r) => f.day(r.issued_at) },
      { name: "due", label: "Due", cell: (r) => h("span", { class: overdue(r) ? "warn" : null }, f.day(r.due_at)) },
      { name: "net", label: "Net", right: true, cell: (r) => (r.net ? money.get(r.currency)(r.net) : "–") },
      { name: "tax", label: "Tax", right: true, cell: (r) => (r.tax ? money.get(r.currency)(r.tax) : "–") },
      { name: "total", label: "Total", right: true, cell: (r) => h("strong", {}, r.total ? money.get(r.currency)(r.total) : "–") },
      { name: "files", label: "Download", wide: true, cell: (r) => downloads(ui, ui.account, r.month, r) },
    ],
  });
}

// Lines as people read them: quantities of compute in GB-s, as they are priced.
export function lineTable(lines, currency, total, caption) {
  const compute = (l) => /compute|concurrency|storage/.test(l.meter ?? "");
  const quantity = (l) => (!l.meter ? "" : compute(l) ? `${f.gbSeconds(l.quantity, 3)} GB-s` : f.count(l.quantity));
  const money = f.moneyColumn(["1"], currency);
  return sortableTable({
    caption, state: {}, rows: lines, empty: empty("Nothing to pay.", "The month has no line."),
    foot: { total },
    columns: [
      { name: "what", label: "Line", cell: (l) => l.description, foot: () => "Total" },
      { name: "quantity", label: "Quantity", right: true, cell: quantity },
      { name: "price", label: "Unit price", right: true, cell: (l) => (l.meter ? h("span", { class: "mono" }, l.unit_price) : "") },
      { name: "exact", label: "Exact", right: true, cell: (l) => h("span", { class: "mono muted" }, f.decimal(l.exact_amount, 6)) },
      { name: "amount", label: "Amount", right: true, cell: (l) => money(l.amount), foot: (r) => money(r.total) },
    ],
  });
}

export function invoicesPage(ui) {
  const parts = {}, part = cards(parts), base = `/v1/accounts/${enc(ui.account)}`;
  const page = h("div", { class: "page" }, part("bills", "Bills", { lines: 5 }), part("lines", `${f.monthName(f.monthNow())} so far`, { lines: 5 }), part("credits", "Credits", { lines: 2 }));
  const load = async () => {
    const [invoices, cost, credits] = await Promise.all([ui.api.maybe(`${base}/invoices?limit=100`), readCost(ui.api, base, f.monthNow()), ui.api.maybe(`${base}/credits`)]);
    return { invoices: invoices?.items ?? [], cost, credits: credits?.items ?? [] };
  };
  const update = (data) => {
    show(parts.bills, [data.invoices, data.cost?.total], () => list(data, ui));
    show(parts.lines, [data.cost?.lines, data.cost?.total], () => (data.cost ? lineTable(data.cost.lines, data.cost.currency, data.cost.total, "Lines so far") : empty("This node knows no prices.")));
    show(parts.credits, data.credits, () => sortableTable({
      caption: "Credits", state: {}, rows: data.credits, empty: empty("No credits.", "The operator grants them; an invoice uses them by itself."),
      columns: [
        { name: "why", label: "Reason", cell: (c) => c.reason ?? "–" },
        { name: "kind", label: "Kind", cell: (c) => chip("plain", c.kind) },
        { name: "amount", label: "Granted", right: true, cell: (c) => f.money(c.amount, c.currency) },
        { name: "left", label: "Left", right: true, cell: (c) => (f.money(c.left, c.currency)) },
        { name: "until", label: "Until", cell: (c) => f.day(c.expires_at) },
      ],
    }));
  };
  return { title: "Invoices", page, load, update };
}

// ---- one invoice

function facts(i) {
  const row = (name, value) => (value ? [h("dt", {}, name), h("dd", {}, value)] : null);
  return h("dl", { class: "facts" }, row("State", chip(i.state)), row("Month", f.monthName(i.month)), row("Issued", i.issued_at && `${f.dateTime(i.issued_at)} UTC`), row("Due", i.due_at && f.day(i.due_at)),
    row("Price book", `${i.price_book}, version ${i.price_version}`), row("Records complete through", i.complete_through && `${f.dateTime(i.complete_through)} UTC`),
    row("Refers to", i.refers_to), row("SHA-256", h("code", { class: "digest" }, i.sha256)));
}

export function invoicePage(ui, id) {
  const parts = {}, part = cards(parts), base = `/v1/accounts/${enc(ui.account)}`;
  const answer = h("p", { class: "fine-print", role: "status" });
  const verify = h("button", { type: "button", "data-focus": "verify", onclick: async () => {
    answer.textContent = "Rating the month again…";
    try {
      const r = await ui.api.get(`${base}/bills/${verify.month}/verify`);
      answer.textContent = r.matches ? `It matches: ${f.plural(r.lines, "line")} rated again from usage, to the last digit.` : `It differs: ${r.difference}`;
      answer.className = r.matches ? "advice ok" : "advice warn";
    } catch (error) {
      answer.textContent = error.message;
    }
  } }, "Rate again and compare");
  const page = h("div", { class: "page" }, part("invoice", "Summary", { lines: 4 }), part("lines", "Lines", { lines: 5 }), h("section", { class: "card", "aria-label": "Proof" },
    h("h2", {}, "Is it right?"), h("p", { class: "fine-print lead" }, "The month is rated again from its usage and compared with what was issued."), verify, answer));
  const load = () => ui.api.get(`${base}/invoices/${enc(id)}/lines`);
  const update = (data) => {
    verify.month = data.invoice.month;
    show(parts.invoice, data.invoice, () => [h("div", { class: "controls" }, h("p", { class: "huge" }, f.money(data.invoice.total, data.invoice.currency), " ", h("small", { class: "mono muted" }, data.invoice.number ?? "not issued")),
      downloads(ui, ui.account, data.invoice.month, data.invoice)), facts(data.invoice)]);
    show(parts.lines, data.items, () => lineTable(data.items, data.invoice.currency, data.invoice.total, `Lines of ${data.invoice.number}`));
  };
  return { title: "Invoice", page, load, update, every: 60000 };
}
