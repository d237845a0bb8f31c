// Limits: their bars, what crossed a threshold, what was refused, and the operator's dialog to change one.
import { enc } from "./api.js";
import { bar, cards, chip, dialog, empty, h, say, show, sortableTable } from "./dom.js";
import * as f from "./format.js";

const NAMES = {
  concurrency: "Running at once", requests_per_second: "Calls per second", requests_per_month: "Calls per month",
  gb_seconds_per_month: "GB-seconds per month", spend_per_month: "Spend per month", memory_mb: "Memory of a function",
  functions: "Functions", code_bytes: "Stored code", async_queue: "Queued events",
};
const CEILINGS = new Set(["memory_mb", "requests_per_second"]); // limits without a level to show
const DRY = new Set(["concurrency", "requests_per_second", "requests_per_month", "gb_seconds_per_month", "spend_per_month"]);
const REASONS = { concurrency: "too many at once", requests_per_second: "too many a second", requests_per_month: "calls of the month used up",
  gb_seconds_per_month: "GB-seconds of the month used up", spend_per_month: "spending limit reached" };

export const quotaName = (name) => NAMES[name] ?? name;
export const quotaLower = (name) => quotaName(name).replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase());

export function quotaText(name, text, currency) {
  if (name === "spend_per_month") return f.money(text, currency);
  if (name === "code_bytes") return f.bytes(text);
  const [whole, part = ""] = String(text).split(".");
  return part ? f.decimal(text, Math.min(part.length, 3)) : f.count(whole);
}

export function quotaBar(q, currency) {
  const limit = Number(q.limit) || 0;
  const share = (text) => (limit > 0 ? Math.min(100, (100 * Number(text || 0)) / limit) : 100);
  const used = share(q.used), held = Math.min(100 - used, share(q.held));
  const text = (t) => quotaText(q.name, t || "0", currency);
  return [
    bar({ label: quotaName(q.name), words: `${text(q.used)} of ${text(q.limit)} used, ${text(q.held)} held`, now: used,
      kind: used >= 100 ? "full" : used >= 80 ? "high" : "fine", parts: [{ class: "used", share: used }, { class: "held", share: held }], ticks: q.thresholds }),
    h("div", { class: "bar-words" }, h("span", {}, h("strong", {}, text(q.used)), ` of ${text(q.limit)}`),
      Number(q.held) > 0 ? h("span", {}, `${text(q.held)} held`) : null,
      q.available ? h("span", {}, `${text(q.available)} available`) : null,
      q.resets_at ? h("span", {}, `resets ${f.day(q.resets_at)}`) : null),
  ];
}

const legend = () => h("p", { class: "legend" }, h("span", { class: "key used" }), "used ", h("span", { class: "key held" }), "held by running calls and the next ones ",
  h("span", { class: "key free" }), "available ", h("span", { class: "key mark" }), "a notice is sent");

// brief: only those with a level, without what is not set.
export function quotaList(quotas, currency, ui, { brief = false } = {}) {
  const set = quotas.filter((q) => q.limit !== null && !(brief && CEILINGS.has(q.name)));
  const unset = quotas.filter((q) => q.limit === null);
  const edit = (q) => ui.admin
    ? h("button", { type: "button", class: "link", "data-focus": `quota-${q.name}`, "aria-label": `Change limit: ${quotaName(q.name)}`, onclick: () => editQuota(ui, q) }, "Change") : null;
  return [
    set.length === 0 ? empty("No limits are set.", ui.admin ? "Nothing stops this account. Set one, and calls beyond it are refused." : "Nothing stops this account; the operator sets limits.") : null,
    h("div", { class: brief ? null : "quotas" }, set.map((q) => h("div", { class: "quota" },
      h("div", { class: "quota-head" }, h("h3", {}, quotaName(q.name)),
        chip(q.action, q.action === "block" ? "hard stop" : "notify only"), q.inherited ? chip("plain", "default") : null, edit(q)),
      CEILINGS.has(q.name) ? h("p", { class: "fine-print" }, `at most ${quotaText(q.name, q.limit, currency)} ${q.unit}`) : quotaBar(q, currency)))),
    set.length ? legend() : null,
    unset.length && !(brief && set.length) ? h("p", { class: "fine-print" }, "No limit: ", unset.map((q, i) => [i ? ", " : "", ui.admin
      ? h("button", { type: "button", class: "link", "data-focus": `quota-${q.name}`, onclick: () => editQuota(ui, q) }, quotaLower(q.name)) : quotaLower(q.name)])) : null,
  ];
}

export function noticeList(notices, currency) {
  if (notices.length === 0) return empty("No threshold was crossed.", "A notice appears here, and is sent to webhooks, when the use of a limit crosses one of its marks.");
  return h("ul", { class: "events" }, notices.map((n) => h("li", {},
    h("span", { class: `dot ${n.threshold >= 100 ? "bad" : n.threshold >= 80 ? "warn" : "ok"}`, "aria-hidden": "true" }),
    h("span", {}, h("strong", {}, `${n.threshold} %`), ` of ${quotaLower(n.quota)}: ${quotaText(n.quota, n.used, currency)} of ${quotaText(n.quota, n.limit, currency)}`),
    h("time", { datetime: n.fired_at, class: "fine-print" }, `${f.dateTime(n.fired_at)} UTC`))));
}

export function refusalTable(refusals) {
  return sortableTable({
    caption: "Refused calls of this month", state: {}, rows: refusals, empty: empty("No call was refused this month."),
    columns: [
      { name: "function", label: "Function", cell: (r) => r.function ?? "any" },
      { name: "reason", label: "Why", cell: (r) => REASONS[r.reason] ?? r.reason.replaceAll("_", " ") },
      { name: "refusals", label: "Refused", right: true, cell: (r) => f.count(r.refusals) },
      { name: "last", label: "Last in the hour of (UTC)", cell: (r) => f.dateTime(r.last_hour).slice(0, 16) },
    ],
  });
}

// ---- changing one, for the operator

export function editQuota(ui, q) {
  const limit = h("input", { id: "q-limit", value: q.limit ?? "", inputmode: "decimal", required: true, autocomplete: "off", "aria-describedby": "q-unit q-error" });
  const action = h("select", { id: "q-action" }, ["block", "notify"].map((a) => h("option", { value: a, selected: a === q.action }, a === "block" ? "Hard stop: refuse calls" : "Notify only")));
  const error = h("p", { class: "error", id: "q-error", role: "alert" });
  const trial = h("p", { class: "fine-print", role: "status" });
  const path = `/v1/accounts/${enc(ui.account)}/quotas/${q.name}`;
  const attempt = async (work) => {
    error.textContent = "";
    try {
      await work();
    } catch (problem) {
      error.textContent = problem.message;
    }
  };
  const send = (method, body) => attempt(async () => {
    await ui.api.fetch(method, path, { body });
    box.close();
    await ui.refresh();
    say(`${quotaName(q.name)} is changed.`);
  });
  const tryOut = () => attempt(async () => {
    const r = await (await ui.api.fetch("POST", `${path}/dry-run`, { body: { limit: limit.value.trim() } })).json();
    trial.textContent = r.refused > 0
      ? `In ${f.monthName(r.month)} it would have refused ${f.count(r.refused)} of ${f.plural(r.calls, "call")}, the first on ${f.dateTime(r.first_refused_at).slice(0, 16)} UTC.`
      : `In ${f.monthName(r.month)} it would have refused none of ${f.plural(r.calls, "call")}.`;
  });
  const box = dialog("q-title", (close) =>
    h("form", { method: "dialog", onsubmit: (e) => { e.preventDefault(); send("PUT", { limit: limit.value.trim(), action: action.value }); } },
      h("h2", { id: "q-title" }, quotaName(q.name)), h("p", { class: "fine-print", id: "q-unit" }, `Limit of ${ui.account}, in ${q.unit === "currency" ? "its currency" : q.unit}.`),
      h("label", { for: "q-limit" }, "Limit"), limit, h("label", { for: "q-action" }, "When it is reached"), action, error, trial,
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Save"),
        DRY.has(q.name) ? h("button", { type: "button", "data-focus": "try", onclick: tryOut }, "Try on last month") : null,
        q.limit !== null && !q.inherited ? h("button", { type: "button", onclick: () => send("DELETE") }, "Remove limit") : null,
        h("button", { type: "button", class: "quiet", onclick: close }, "Cancel"))));
  limit.select();
}

// ---- the page

export function limitsPage(ui) {
  const parts = {};
  const part = cards(parts);
  const page = h("div", { class: "page" }, part("quotas", "Limits", { lines: 6 }), h("div", { class: "two" }, part("notices", "Notices"), part("refusals", "Refused calls")));
  const base = `/v1/accounts/${enc(ui.account)}`;
  const load = async () => {
    const [about, quotas, notices, refusals] = await Promise.all([ui.api.get(base), ui.api.get(`${base}/quotas`), ui.api.maybe(`${base}/notices?limit=50`), ui.api.maybe(`${base}/refusals`)]);
    return { about, quotas: quotas.items, notices: notices?.items ?? [], refusals: refusals?.items ?? [] };
  };
  const update = (data) => {
    show(parts.quotas, [data.quotas, ui.admin], () => quotaList(data.quotas, data.about.currency, ui));
    show(parts.notices, data.notices, () => noticeList(data.notices, data.about.currency));
    show(parts.refusals, data.refusals, () => refusalTable(data.refusals));
  };
  return { title: "Limits", page, load, update };
}
