// Sign in, find the page of the address, refresh it, and say when the numbers are old.
import { Api, enc, Offline, Problem } from "./api.js";
import { h, say } from "./dom.js";
import { monthName, monthNow, months } from "./format.js";
import { livePage } from "./live.js";
import { operatorPage } from "./operator.js";
import { quotaName, tenantPage } from "./tenant.js";

const REFRESH_MS = 5000;
const app = document.getElementById("app");
const ui = {
  api: new Api(sessionStorage.getItem("farthing.key")), me: null, account: null, month: monthNow(),
  metric: "gb_s", form: "chart", sort: { by: "gb_s", down: true }, accountSort: { by: "gb_s", down: true },
};
let current = null; // {page, load, update, every}
let timer = 0, round = 0, lastData = null, lastSuccess = null;

// ---- signing in

function signIn(message) {
  stop();
  const error = h("p", { class: "error", id: "key-error", role: "alert" }, message ?? "");
  const input = h("input", { id: "key", name: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false",
    placeholder: "far_…", "aria-describedby": "key-help key-error" });
  const form = h("form", { class: "signin", onsubmit: async (event) => {
    event.preventDefault();
    form.querySelector("button").disabled = true;
    ui.api = new Api(input.value.trim());
    try {
      ui.me = await ui.api.get("/v1/key");
      sessionStorage.setItem("farthing.key", ui.api.key);
      start();
    } catch (problem) {
      error.textContent = problem instanceof Problem && problem.status === 401 ? "This key is not known, or it was revoked." : problem.message;
      form.querySelector("button").disabled = false;
      input.focus();
    }
  } },
  h("img", { src: "/icon.svg", alt: "", width: 56, height: 56 }), h("h1", {}, "Farthing"),
  h("p", { class: "muted" }, "What your functions used, and what it costs."),
  h("label", { for: "key" }, "API key"), input, error,
  h("button", { type: "submit", class: "primary" }, "Sign in"),
  h("p", { id: "key-help", class: "fine-print" }, "Make one with ", h("code", {}, "farthing key create ACCOUNT"), ". It stays in this tab until you sign out."));
  app.replaceChildren(h("main", { id: "main", class: "center" }, form));
  document.title = "Sign in · Farthing";
  input.focus();
}

function signOut() {
  sessionStorage.removeItem("farthing.key");
  ui.api = new Api(null);
  ui.me = null;
  location.hash = "";
  signIn();
}

// ---- frame

function link(href, label) {
  const here = decodeURIComponent(location.hash || "#/") === href;
  return h("a", { href, "aria-current": here ? "page" : null }, label);
}

function frame(content) {
  const name = ui.account;
  const picker = h("select", { id: "month", "aria-label": "Month", onchange: (e) => { ui.month = e.target.value; open(); } },
    months(13).map((m) => h("option", { value: m, selected: m === ui.month }, monthName(m))));
  app.replaceChildren(
    h("header", { class: "top" },
      h("a", { class: "brand", href: "#/" }, h("img", { src: "/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "Farthing")),
      h("nav", { "aria-label": "Pages" },
        ui.admin ? link("#/", "All accounts") : null,
        name ? link(ui.admin ? `#/${name}` : "#/", ui.admin ? name : "Overview") : null,
        name ? link(`#/${name}/live`, "Live") : null),
      h("div", { class: "right-side" }, h("span", { id: "age", class: "age" }), picker,
        h("button", { type: "button", class: "quiet", onclick: signOut }, "Sign out"))),
    h("div", { id: "banner", class: "banner", role: "alert", hidden: true }),
    h("main", { id: "main", tabindex: "-1" }, h("h1", { class: "visually-hidden" }, name ?? "All accounts"), content));
  document.title = `${name ?? "All accounts"} · Farthing`;
}

ui.toast = (text) => {
  const banner = document.getElementById("banner");
  if (!banner) return;
  banner.textContent = text;
  banner.hidden = false;
};

// ---- limits, for the operator

ui.editQuota = (q) => {
  const limit = h("input", { id: "q-limit", value: q.limit ?? "", inputmode: "decimal", required: true, autocomplete: "off", "aria-describedby": "q-error" });
  const action = h("select", { id: "q-action" }, ["block", "notify"].map((a) => h("option", { value: a, selected: a === q.action }, a === "block" ? "Hard stop: refuse calls" : "Notify only")));
  const error = h("p", { class: "error", id: "q-error", role: "alert" });
  const path = `/v1/accounts/${enc(ui.account)}/quotas/${q.name}`;
  const send = async (method, body) => {
    try {
      await ui.api.fetch(method, path, { body });
      dialog.close();
      await refresh();
      say(`${quotaName(q.name)} is changed.`);
    } catch (problem) {
      error.textContent = problem.message;
    }
  };
  const dialog = h("dialog", { "aria-labelledby": "q-title", onclose: () => dialog.remove() },
    h("form", { method: "dialog", onsubmit: (e) => { e.preventDefault(); send("PUT", { limit: limit.value.trim(), action: action.value }); } },
      h("h2", { id: "q-title" }, quotaName(q.name)), h("p", { class: "fine-print" }, `Limit of ${ui.account}, in ${q.unit}.`),
      h("label", { for: "q-limit" }, "Limit"), limit, h("label", { for: "q-action" }, "When it is reached"), action, error,
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Save"),
        q.limit !== null && !q.inherited ? h("button", { type: "button", onclick: () => send("DELETE") }, "Remove limit") : null,
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"))));
  document.body.append(dialog);
  dialog.showModal();
  limit.select();
};

// ---- refreshing

function age() {
  const el = document.getElementById("age");
  if (!el || !lastSuccess) return;
  const seconds = Math.round((Date.now() - lastSuccess) / 1000);
  el.textContent = seconds < 10 ? "up to date" : `${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} old`;
  el.classList.toggle("warn", seconds >= 30);
}

async function refresh() {
  const mine = ++round;
  clearTimeout(timer);
  try {
    const data = await current.load();
    if (mine !== round) return;
    lastData = data;
    lastSuccess = Date.now();
    document.getElementById("banner").hidden = true;
    current.update(data, ui.month);
  } catch (error) {
    if (mine !== round) return;
    failed(error);
  }
  age();
  timer = setTimeout(() => (document.hidden ? later() : refresh()), current?.every ?? REFRESH_MS);
}

function later() {
  timer = setTimeout(() => (document.hidden ? later() : refresh()), 1000);
}

function failed(error) {
  if (error instanceof Problem && error.status === 401) {
    sessionStorage.removeItem("farthing.key");
    signIn("This key does not work any more: it was revoked or has expired.");
  } else if (error instanceof Offline) {
    ui.toast(lastSuccess ? `The node does not answer. These are the numbers of ${new Date(lastSuccess).toISOString().slice(11, 19)} UTC; trying again.` : "The node does not answer; trying again.");
  } else {
    if (!(error instanceof Problem)) console.error(error);
    ui.toast(error instanceof Problem ? `${error.message}${error.body?.request_id ? ` (request ${error.body.request_id})` : ""}` : "This page failed to draw; trying again.");
  }
}

ui.redraw = () => {
  if (lastData && current) current.update(lastData, ui.month);
};

function stop() {
  round++;
  clearTimeout(timer);
  current = null;
  lastData = null;
  lastSuccess = null;
}

// ---- addresses: #/ and #/ACCOUNT[/live]

function open() {
  if (!ui.me) return;
  stop();
  const [account, view] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  ui.admin = ui.me.scope === "admin";
  ui.account = ui.admin ? account || null : ui.me.account_name;
  current = !ui.account ? operatorPage(ui) : view === "live" ? livePage(ui) : tenantPage(ui);
  frame(current.page);
  refresh();
}

function start() {
  open();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
ui.scheme = dark.matches;
dark.addEventListener("change", () => { ui.scheme = dark.matches; ui.redraw(); });
addEventListener("hashchange", () => { open(); document.getElementById("main")?.focus(); });
document.addEventListener("visibilitychange", () => !document.hidden && current && refresh());
setInterval(age, 1000);

if (ui.api.key) {
  ui.api.get("/v1/key").then((me) => { ui.me = me; start(); }, (error) => signIn(error instanceof Offline ? "The node does not answer." : undefined));
} else {
  signIn();
}
