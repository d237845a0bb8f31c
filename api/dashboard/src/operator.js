// All accounts and nodes, for the operator.
import { card, h, show, sortableTable } from "./dom.js";
import * as f from "./format.js";

async function load(ui) {
  const [accounts, usage, nodes, ready] = await Promise.all([
    ui.api.all("/v1/accounts?limit=1000"),
    ui.api.get(`/v1/usage?month=${ui.month}&group_by=account`),
    ui.api.maybe("/v1/nodes"),
    ui.api.get("/readyz").catch((error) => error.body ?? null),
  ]);
  return { accounts, usage, nodes: nodes?.items ?? [], ready };
}

function accountTable(data, ui) {
  const used = new Map(data.usage.items.map((r) => [r.account, r]));
  const rows = data.accounts.map((a) => ({ ...a, ...(used.get(a.id) ?? {}), id: a.id, name: a.name }));
  return sortableTable({
    caption: "Accounts", state: ui.accountSort, rows, onSort: ui.redraw, empty: "No accounts yet: farthing account create NAME",
    columns: [
      { name: "name", label: "Account", sort: (r) => r.name, cell: (r) => h("a", { href: `#/${r.name}`, "data-focus": `account-${r.id}` }, r.display_name || r.name) },
      { name: "state", label: "State", sort: (r) => r.state, cell: (r) => h("span", { class: `chip ${r.state === "active" ? "ok" : "bad"}` }, r.state) },
      { name: "invocations", label: "Invocations", right: true, sort: (r) => r.invocations ?? 0, cell: (r) => f.count(r.invocations ?? 0) },
      { name: "errors", label: "Errors", right: true, sort: (r) => r.errors ?? 0, cell: (r) => f.count(r.errors ?? 0) },
      { name: "throttles", label: "Refused", right: true, sort: (r) => r.throttles ?? 0, cell: (r) => f.count(r.throttles ?? 0) },
      { name: "gb_s", label: "GB-s", right: true, sort: (r) => BigInt(r.mb_ms ?? 0), cell: (r) => f.gbSeconds(r.mb_ms ?? 0) },
      { name: "book", label: "Price book", sort: (r) => r.price_book, cell: (r) => r.price_book },
    ],
  });
}

function nodeTable(data) {
  return sortableTable({
    caption: "Nodes", state: {}, rows: data.nodes, empty: "No node has reported yet.",
    columns: [
      { name: "name", label: "Node", cell: (r) => r.name },
      { name: "address", label: "Address", cell: (r) => r.address || "–" },
      { name: "version", label: "Version", cell: (r) => r.version || "–" },
      { name: "started", label: "Started (UTC)", cell: (r) => f.dateTime(r.started_at) },
      { name: "seen", label: "Last heartbeat", cell: (r) => f.dateTime(r.seen_at) },
    ],
  });
}

function checks(ready) {
  if (!ready?.checks) return h("p", { class: "empty" }, "This node does not say how it is.");
  return h("ul", { class: "checks" }, ready.checks.map((c) =>
    h("li", {}, h("span", { class: `chip ${c.ok ? "ok" : "bad"}` }, c.ok ? "ok" : "not ok"), ` ${c.name}${c.detail ? `: ${c.detail}` : ""}`)));
}

function tiles(data) {
  const t = data.usage.total ?? {};
  const tile = (label, value, more) => h("div", { class: "tile" }, h("dt", {}, label), h("dd", {}, h("span", { class: "big" }, value), h("p", { class: "muted" }, more)));
  return h("dl", { class: "tiles" },
    tile("Accounts", f.count(data.accounts.length), `${f.count(data.accounts.filter((a) => a.state !== "active").length)} not active`),
    tile("Invocations", f.count(t.invocations ?? 0), `${f.count(t.errors ?? 0)} failed, ${f.count(t.throttles ?? 0)} refused`),
    tile("Compute", `${f.gbSeconds(t.mb_ms ?? "0")} GB-s`, `${f.micros(Number(t.billed_ms ?? 0) * 1000)} billed`),
    tile("Complete through", `${f.time(data.usage.complete_through)} UTC`, `${f.count(data.usage.late_pending ?? 0)} records on their way`));
}

export function operatorPage(ui) {
  const parts = Object.fromEntries(["tiles", "accounts", "nodes", "checks"].map((n) => [n, h("div", { class: "fill" }, h("p", { class: "loading" }, "Loading…"))]));
  const page = h("div", { class: "page" }, parts.tiles, card("Accounts", "h-accounts", parts.accounts),
    h("div", { class: "two" }, card("Nodes", "h-nodes", parts.nodes), card("This node", "h-checks", parts.checks)));
  const update = (data) => {
    show(parts.tiles, [data.usage.total, data.accounts.length, data.usage.complete_through], () => tiles(data));
    show(parts.accounts, [data.accounts, data.usage.items, ui.accountSort], () => accountTable(data, ui));
    show(parts.nodes, data.nodes, () => nodeTable(data));
    show(parts.checks, data.ready, () => checks(data.ready));
  };
  return { page, load: () => load(ui), update };
}
