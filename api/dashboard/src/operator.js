// For the operator: all accounts, what needs a hand, the nodes, and closing a month.
import { enc } from "./api.js";
import { bar, cards, chip, dialog, empty, h, loading, ranking, say, segments, show, sortableTable, tile } from "./dom.js";
import * as f from "./format.js";
import { quotaLower, quotaName, quotaText } from "./quotas.js";

const SILENT_MS = 30000; // nodes report every few seconds
const LAG_US = 5000000;

const silent = (node) => Date.now() - new Date(node.seen_at).getTime() > SILENT_MS;
const units = (quota, n) => (quota === "gb_seconds_per_month" ? `${f.gbSeconds(n, 3)} GB-s` : quota === "spend_per_month" ? f.decimal((Number(n) / 1e12).toFixed(6), 6) : f.count(n));

// What sums over everybody comes later than the rest where there are many accounts: early() gets the rest.
async function load(ui, early) {
  const before = f.monthBefore(f.monthNow());
  const sums = Promise.all([ui.api.get(`/v1/spenders?month=${ui.month}&limit=20`), ui.api.get("/v1/quota-levels?min_percent=80&limit=50")]);
  sums.catch(() => {}); // told when it is waited for
  const [accounts, escrow, nodes, close, ready] = await Promise.all([
    ui.api.get(`/v1/accounts?limit=25${ui.search ? `&name=${enc(ui.search)}` : ""}`),
    ui.api.get("/v1/quota-escrow"),
    ui.api.maybe("/v1/nodes"),
    ui.api.maybe(`/v1/months/${before}/close`),
    ui.api.get("/readyz").catch((error) => error.body ?? null),
  ]);
  const data = { spenders: null, levels: [], accounts, escrow: escrow.items, nodes: nodes?.items ?? [], close, ready };
  early(data);
  const [spenders, levels] = await sums;
  return { ...data, spenders, levels: levels.items };
}

const accountLink = (name, text = name, focus) => h("a", { href: `#/${name}`, "data-focus": focus }, text);

// ---- what needs a hand

function attention(data) {
  const out = [];
  const add = (kind, ...text) => out.push({ kind, text });
  for (const c of data.ready?.checks ?? []) if (!c.ok) add("bad", h("strong", {}, `This node: ${c.name}`), c.detail ? `: ${c.detail}` : " is not well");
  for (const n of data.nodes) {
    if (silent(n)) add("bad", h("strong", {}, n.name), ` has not reported for ${f.ago(n.seen_at)}`);
    else if ((n.status?.lag_us ?? 0) > LAG_US) add("warn", h("strong", {}, n.name), ` is ${f.micros(n.status.lag_us)} behind with ${f.plural(n.status.records_pending, "record")}`);
    if ((n.status?.spool_fill_thousandths ?? 0) > 800) add("bad", h("strong", {}, n.name), `: its spool is ${Math.round(n.status.spool_fill_thousandths / 10)} % full`);
    if (n.status?.sandbox === "none") add("warn", h("strong", {}, n.name), " runs functions without a sandbox");
  }
  for (const p of data.close?.parked_accounts ?? []) add("bad", accountLink(p.name), ` is parked for ${f.monthName(data.close.month)}: ${p.reason}`);
  for (const e of data.escrow) if (!e.agrees) add("bad", h("strong", {}, e.account), `: ${quotaLower(e.quota)} claims ${units(e.quota, e.claimed_units)}, the records have ${units(e.quota, e.recorded_units)}`);
  if (data.close && data.close.state !== "running" && data.close.invoices === 0 && data.close.accounts > 0) add("warn", h("a", { href: "#/@close" }, `${f.monthName(data.close.month)} is not closed`), ": no invoice was issued yet");
  const over = data.levels.filter((l) => l.percent >= 100);
  if (over.length) add("warn", h("strong", {}, f.plural(over.length, "limit")), ` ${over.length === 1 ? "is" : "are"} used up: `, over.slice(0, 3).map((l, i) => [i ? ", " : "", accountLink(l.name)]), over.length > 3 ? " and more" : "");
  if (out.length === 0) return h("p", { class: "all-well" }, h("span", { class: "dot ok", "aria-hidden": "true" }), "Everything runs: nodes report, records are in, no account is parked.");
  return h("ul", { class: "events" }, out.map((o) => h("li", {}, h("span", { class: `dot ${o.kind}`, "aria-hidden": "true" }), h("span", {}, o.text))));
}

function tiles(data, month) {
  const sums = new Map();
  for (const r of data.spenders.items) sums.set(r.currency, (sums.get(r.currency) ?? 0n) + BigInt(r.total.replace(".", "")));
  const shift = (r) => (r.total.split(".")[1] ?? "").length;
  const texts = [...sums].map(([currency, sum]) => {
    const digits = shift(data.spenders.items.find((r) => r.currency === currency));
    const s = String(sum).padStart(digits + 1, "0");
    return f.money(digits ? `${s.slice(0, -digits)}.${s.slice(-digits)}` : s, currency);
  });
  const pending = data.nodes.reduce((a, n) => a + (n.status?.records_pending ?? 0), 0), lag = Math.max(0, ...data.nodes.map((n) => n.status?.lag_us ?? 0));
  const t = data.spenders.total;
  return h("dl", { class: "tiles" },
    tile(month === f.monthNow() ? "Spend so far" : "Spend", texts[0] ?? "–", h("p", { class: "muted" }, texts.slice(1).map((x) => `+ ${x} `), data.spenders.complete ? f.plural(data.spenders.accounts_with_use, "account") + " with use" : `the ${data.spenders.items.length} largest of ${f.count(data.spenders.accounts_with_use)} accounts`)),
    tile("Invocations", f.count(t.invocations ?? 0), h("p", {}, h("span", { class: t.errors ? "warn" : "muted" }, `${f.count(t.errors ?? 0)} failed`), h("span", { class: t.throttles ? "warn" : "muted" }, ` · ${f.count(t.throttles ?? 0)} refused`))),
    tile("Compute", h("span", {}, f.gbSeconds(t.mb_ms ?? "0"), h("small", {}, " GB-s")), h("p", { class: "muted" }, `${f.micros(Number(t.billed_ms ?? 0) * 1000).replace("–", "0 ms")} billed`)),
    tile("Ingest lag", lag ? f.micros(lag) : "0 ms", h("p", { class: pending || data.spenders.late_pending ? "warn" : "muted" }, pending || data.spenders.late_pending ? `${f.plural(Math.max(pending, data.spenders.late_pending), "record")} on their way` : `all in through ${f.time(data.spenders.complete_through)} UTC`)));
}

function spenders(data) {
  const items = data.spenders.items;
  if (items.length === 0) return empty("Nobody used anything in this month.");
  const most = new Map();
  for (const r of items) most.set(r.currency, (most.get(r.currency) ?? 0) + Number(r.total));
  const several = most.size > 1;
  return [...most.keys()].map((currency) => {
    const rows = items.filter((r) => r.currency === currency), money = f.moneyColumn(rows.map((r) => r.total), currency), sum = most.get(currency) || 1;
    return [several ? h("h3", { class: "sub" }, currency) : null, ranking(`Top spenders in ${currency}`, rows.slice(0, 10).map((r) => ({
      label: [accountLink(r.name, r.display_name || r.name, `spender-${r.account}`), r.account_state === "active" ? null : chip("bad", r.account_state)],
      value: money(r.total), share: (100 * Number(r.total)) / sum, note: f.percent((100 * Number(r.total)) / sum) })))];
  });
}

function levels(data) {
  if (data.levels.length === 0) return empty("No limit is near its end.", "Limits of the month appear here from 80 % on.");
  return data.levels.slice(0, 12).map((l) => h("div", { class: "quota" },
    h("div", { class: "quota-head" }, h("h3", {}, accountLink(`${l.name}/limits`, l.name, `level-${l.account}-${l.quota}`), `: ${quotaLower(l.quota)}`), chip(l.action, l.action === "block" ? "hard stop" : "notify only")),
    bar({ label: `${l.name}: ${quotaName(l.quota)}`, words: `${l.percent} % used`, now: Math.min(100, l.percent), kind: l.percent >= 100 ? "full" : "high", parts: [{ class: "used", share: Math.min(100, l.percent) }] }),
    h("div", { class: "bar-words" }, h("span", {}, h("strong", {}, `${l.percent} %`), ` · ${quotaText(l.quota, l.used, "")} of ${quotaText(l.quota, l.limit, "")}`))));
}

function nodeTable(data) {
  return sortableTable({
    caption: "Nodes", state: {}, rows: data.nodes, empty: empty("No node has reported yet."),
    columns: [
      { name: "name", label: "Node", cell: (r) => r.name },
      { name: "state", label: "State", cell: (r) => (silent(r) ? chip("bad", `silent for ${f.ago(r.seen_at)}`) : chip("ok", "reporting")) },
      { name: "address", label: "Address", wide: true, cell: (r) => r.address || "–" },
      { name: "version", label: "Version", cell: (r) => r.version || "–" },
      { name: "up", label: "Started (UTC)", desk: true, cell: (r) => f.dateTime(r.started_at).slice(0, 16) },
      { name: "busy", label: "Instances busy", right: true, cell: (r) => `${f.count(r.status?.instances_busy ?? 0)} / ${f.count(r.status?.instances ?? 0)}` },
      { name: "stored", label: "Records stored", right: true, cell: (r) => f.count(r.status?.records_stored ?? 0) },
      { name: "pending", label: "Waiting", right: true, cell: (r) => h("span", { class: r.status?.records_pending ? "warn" : null }, f.count(r.status?.records_pending ?? 0)) },
      { name: "lag", label: "Lag", right: true, cell: (r) => (r.status?.lag_us ? h("span", { class: r.status.lag_us > LAG_US ? "warn" : null }, f.micros(r.status.lag_us)) : "0 ms") },
      { name: "spool", label: "Spool", right: true, cell: (r) => `${((r.status?.spool_fill_thousandths ?? 0) / 10).toFixed(1)} %` },
    ],
  });
}

function reconciler(data) {
  if (data.escrow.length === 0) return empty("Nothing is held.", "Parts of monthly limits that nodes hold for running calls show up here, set against the records.");
  return sortableTable({
    caption: "Limits held by nodes against the records", state: {}, rows: data.escrow, empty: "",
    columns: [
      { name: "account", label: "Account", cell: (r) => accountLink(`${r.account}/limits`, r.account) },
      { name: "quota", label: "Limit", cell: (r) => quotaName(r.quota) },
      { name: "agrees", label: "Agrees", cell: (r) => (r.agrees ? chip("ok", "yes") : chip("bad", "no")) },
      { name: "recorded", label: "Recorded", right: true, cell: (r) => units(r.quota, r.recorded_units) },
      { name: "claimed", label: "Claimed", right: true, cell: (r) => units(r.quota, r.claimed_units) },
      { name: "unstored", label: "Finished, on the way", right: true, cell: (r) => units(r.quota, r.unstored_units) },
      { name: "held", label: "Held", right: true, cell: (r) => units(r.quota, r.held_units) },
    ],
  });
}

function accountTable(data, ui) {
  const used = new Map((data.spenders?.items ?? []).map((r) => [r.account, r]));
  const none = data.spenders?.complete ? { invocations: 0, mb_ms: "0" } : null; // not among the largest: not known
  const rows = data.accounts.items.map((a) => ({ ...a, use: used.get(a.id) ?? none }));
  return [sortableTable({
    caption: "Accounts", state: ui.accountSort, rows, onSort: ui.redraw,
    empty: ui.search ? empty(`No account has "${ui.search}" in its name.`) : empty("No accounts yet.", "Make one here, or with ", h("code", {}, "farthing account create NAME"), "."),
    columns: [
      { name: "name", label: "Account", sort: (r) => r.name, cell: (r) => h("a", { href: `#/${r.name}`, "data-focus": `account-${r.id}` }, r.name) },
      { name: "display", label: "Name", sort: (r) => r.display_name ?? "", cell: (r) => r.display_name || "–" },
      { name: "state", label: "State", sort: (r) => r.state, cell: (r) => chip(r.state === "active" ? "ok" : "bad", r.state) },
      { name: "invocations", label: "Invocations", right: true, sort: (r) => r.use?.invocations ?? 0, cell: (r) => (r.use ? f.count(r.use.invocations) : "–") },
      { name: "gb_s", label: "GB-s", right: true, sort: (r) => BigInt(r.use?.mb_ms ?? 0), cell: (r) => (r.use ? f.gbSeconds(r.use.mb_ms, 3) : "–") },
      { name: "cost", label: "Spend", right: true, sort: (r) => Number(r.use?.total ?? 0), cell: (r) => (r.use?.total ? f.money(r.use.total, r.use.currency) : "–") },
      { name: "book", label: "Price book", sort: (r) => r.price_book, cell: (r) => r.price_book },
    ],
  }), data.accounts.next ? h("p", { class: "fine-print" }, `The first 25 in order of name; search for others.${data.spenders && !data.spenders.complete ? " Use is shown of the accounts that use most." : ""}`) : null];
}

function newAccount(ui) {
  const name = h("input", { id: "a-name", required: true, maxlength: 63, pattern: "[a-z0-9\\-]+", autocomplete: "off", spellcheck: "false", placeholder: "acme", title: "Small letters, digits and -" });
  const display = h("input", { id: "a-display", maxlength: 200, autocomplete: "off", placeholder: "Acme Ltd" });
  const error = h("p", { class: "error", role: "alert" });
  const make = async (event, close) => {
    event.preventDefault();
    error.textContent = "";
    try {
      await ui.api.fetch("POST", "/v1/accounts", { body: { name: name.value.trim(), ...(display.value.trim() ? { display_name: display.value.trim() } : {}) } });
      close();
      say(`${name.value.trim()} is made.`);
      location.hash = `#/${name.value.trim()}`;
    } catch (problem) {
      error.textContent = problem.message;
    }
  };
  dialog("a-title", (close) => h("form", { method: "dialog", onsubmit: (event) => make(event, close) }, h("h2", { id: "a-title" }, "A new account"),
    h("label", { for: "a-name" }, "Name, as in addresses and commands"), name, h("label", { for: "a-display" }, "Name on bills"), display, error,
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Make it"), h("button", { type: "button", class: "quiet", onclick: close }, "Cancel"))));
  name.focus();
}

export function operatorPage(ui) {
  const parts = {}, part = cards(parts);
  parts.tiles = loading(2);
  let waiting = 0;
  const search = h("input", { type: "search", id: "account-search", placeholder: "Search accounts", "aria-label": "Search accounts", value: ui.search ?? "", autocomplete: "off",
    oninput: () => { clearTimeout(waiting); waiting = setTimeout(() => { ui.search = search.value.trim().toLowerCase(); ui.refresh(); }, 250); } });
  const page = h("div", { class: "page" }, parts.tiles, part("attention", "Needs a hand", { lines: 2 }),
    h("div", { class: "two" }, part("spenders", "Top spenders", { lines: 6 }), part("levels", "Limits near their end")),
    part("accounts", "Accounts", { lines: 6, more: h("div", { class: "head-tools" }, search, h("button", { type: "button", "data-focus": "new-account", onclick: () => newAccount(ui) }, "New account")) }), part("nodes", "Nodes", { lines: 2 }),
    part("escrow", "Reconciler: limits held, against the records", { lines: 2 }));
  const update = (data, month) => {
    if (data.spenders) show(parts.tiles, [data.spenders, data.nodes.map((n) => n.status), month], () => tiles(data, month));
    show(parts.attention, [data.ready, data.nodes.map((n) => [n.name, silent(n) && f.ago(n.seen_at), n.status]), data.close, data.escrow, data.levels], () => attention(data));
    if (data.spenders) show(parts.spenders, data.spenders.items, () => spenders(data));
    if (data.spenders) show(parts.levels, data.levels, () => levels(data));
    show(parts.accounts, [data.accounts.items, data.spenders?.items, data.spenders?.complete, ui.accountSort, ui.search], () => accountTable(data, ui));
    show(parts.nodes, data.nodes.map((n) => ({ ...n, seen_at: silent(n) ? f.ago(n.seen_at) : "" })), () => nodeTable(data));
    show(parts.escrow, data.escrow, () => reconciler(data));
  };
  return { title: "All accounts", month: true, page, load: () => load(ui, (data) => page.isConnected && !parts.tiles.shown && update(data, ui.month)), update, every: 10000 };
}

// ---- closing a month

function progress(c) {
  const share = c.accounts > 0 ? (100 * Math.min(c.accounts, c.looked_at)) / c.accounts : 0;
  const words = c.state === "running" ? `${f.count(c.looked_at)} of ${f.plural(c.accounts, "account")} looked at, ${f.plural(c.issued, "invoice")} issued` : `${f.plural(c.invoices, "invoice")} of ${f.plural(c.accounts, "account")}`;
  const state = { idle: c.invoices > 0 ? "closed" : "not closed", running: c.dry_run ? "trying" : "closing", done: c.dry_run ? "tried" : "closed", failed: "failed" }[c.state];
  return [
    h("p", { class: "label" }, chip(c.state === "failed" ? "bad" : state === "closed" ? "ok" : "plain", state), c.ended_at ? h("span", { class: "muted" }, `ended ${f.dateTime(c.ended_at)} UTC`) : null),
    c.state === "running" ? bar({ label: "Progress of the close", words, now: share, kind: "free", parts: [{ class: "used", share }] }) : null,
    h("p", {}, words),
    c.error ? h("p", { class: "error" }, c.error) : null,
    h("dl", { class: "tiles small" }, tile("Accounts", f.count(c.accounts)), tile("Invoices", f.count(c.invoices)), tile(c.dry_run ? "Would issue" : "Issued by the last run", f.count(c.issued)),
      tile("Parked", h("span", { class: c.parked ? "warn" : null }, f.count(c.parked)))),
    c.totals.length ? h("p", {}, `${c.dry_run ? "It would bill" : "The last run billed"} `, h("strong", {}, c.totals.map((t) => f.money(t.total, t.currency)).join(" + ")), ".") : null,
  ];
}

export function closePage(ui) {
  const parts = {}, part = cards(parts);
  ui.closing ??= f.monthBefore(f.monthNow());
  const choice = h("div", {}, segments("Month to close", "closing", f.months(4).slice(1).reverse().map((m) => [m, f.monthName(m)]), ui.closing, (m) => { ui.closing = m; ui.refresh(); }));
  const ask = async (body) => {
    await ui.api.fetch("POST", `/v1/months/${ui.closing}/close`, { body });
    say(body.dry_run ? "The dry run has begun." : `Closing ${f.monthName(ui.closing)} has begun.`);
    await ui.refresh();
  };
  const tryOut = h("button", { type: "button", "data-focus": "dry", onclick: () => ask({ dry_run: true }).catch((e) => ui.toast(e.message)) }, "Dry run");
  const go = h("button", { type: "button", class: "primary", "data-focus": "close", onclick: () => confirm() }, "Close the month");
  const confirm = () => {
    const error = h("p", { class: "error", role: "alert" });
    dialog("c-title", (close) => h("form", { method: "dialog", onsubmit: (e) => { e.preventDefault(); ask({}).then(close, (problem) => { error.textContent = problem.message; }); } },
      h("h2", { id: "c-title" }, `Close ${f.monthName(ui.closing)}?`),
      h("p", {}, "Every account with use gets its invoice, with a number that stays. Accounts that have one already are left alone; what cannot be rated is parked with its reason."),
      error, h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Issue the invoices"), h("button", { type: "button", class: "quiet", onclick: close }, "Cancel"))));
  };
  const page = h("div", { class: "page" }, part("progress", "Month close", { lines: 4, more: h("div", { class: "controls" }, choice, h("div", { class: "buttons" }, tryOut, go)) }), part("parked", "Parked accounts"));
  const update = (c) => {
    const closed = c.invoices > 0 || c.parked > 0;
    go.disabled = tryOut.disabled = c.state === "running";
    go.textContent = closed ? "Run again" : "Close the month";
    go.className = closed ? "" : "primary";
    show(parts.progress, c, () => progress(c));
    show(parts.parked, [c.parked_accounts, c.month], () => sortableTable({
      caption: "Parked accounts", state: {}, rows: c.parked_accounts, empty: empty(`No account is parked for ${f.monthName(c.month)}.`, "An account whose records and sums differ, or whose prices cannot be applied, is parked instead of billed."),
      columns: [
        { name: "name", label: "Account", cell: (r) => accountLink(r.name) },
        { name: "reason", label: "Why", wide: true, cell: (r) => r.reason },
        { name: "at", label: "Since (UTC)", wide: true, cell: (r) => f.dateTime(r.parked_at) },
      ],
    }));
  };
  return { title: "Month close", page, load: () => ui.api.get(`/v1/months/${ui.closing}/close`), update, every: 1000 };
}
