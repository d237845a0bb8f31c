// Sign in, find the page of the address, refresh it, and say when the numbers are old.
import { Api, Offline, Problem } from "./api.js";
import { empty, h } from "./dom.js";
import { monthName, monthNow, months } from "./format.js";
import { functionPage, functionsPage } from "./functions.js";
import { invoicePage, invoicesPage } from "./invoices.js";
import { keysPage } from "./keys.js";
import { livePage } from "./live.js";
import { closePage, operatorPage } from "./operator.js";
import { overviewPage } from "./overview.js";
import { limitsPage } from "./quotas.js";

const REFRESH_MS = 5000;
const PACE = Number(sessionStorage.getItem("farthing.pace")) || 1; // tests look more often
const OLD_S = 30;
const REST = 4; // a page that loads slowly is asked for less often: it rests so many times as long
const app = document.getElementById("app");
const ui = {
  api: new Api(sessionStorage.getItem("farthing.key")), me: null, account: null, month: monthNow(),
  metric: "cost", form: "chart", sort: { by: "cost", down: true }, accountSort: { by: "name", down: false }, search: "",
};
let current = null; // {title, page, load, update, every, month, close}
let timer = 0, round = 0, lastData = null, lastSuccess = null;

// ---- signing in

function signIn(message) {
  stop();
  const error = h("p", { class: "error", id: "key-error", role: "alert" }, message ?? "");
  const input = h("input", { id: "key", name: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false",
    placeholder: "far_…", "aria-describedby": "key-help key-error" });
  const form = h("form", { class: "signin", onsubmit: async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    ui.api = new Api(input.value.trim());
    try {
      ui.me = await ui.api.get("/v1/key");
      sessionStorage.setItem("farthing.key", ui.api.key);
      open();
    } catch (problem) {
      error.textContent = problem instanceof Problem && problem.status === 401 ? "This key is not known, or it was revoked." : problem.message;
      button.disabled = false;
      input.focus();
    }
  } },
  h("div", { class: "brand" }, h("img", { src: "/icon.svg", alt: "", width: 44, height: 44 }), h("h1", {}, "Farthing")),
  h("p", { class: "muted" }, "What your functions used, and what it costs: to the millisecond, the mebibyte and the farthing."),
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

const where = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

function link(href, label, here) {
  return h("a", { href, "aria-current": here ? "page" : null }, label);
}

function tabs(name, view) {
  if (!name) return [link("#/", "Accounts", !view), link("#/@close", "Month close", view === "@close")];
  const at = `#/${name}`;
  return [link(at, "Overview", !view), link(`${at}/functions`, "Functions", view === "functions"), link(`${at}/limits`, "Limits", view === "limits"),
    link(`${at}/invoices`, "Invoices", view === "invoices"), link(`${at}/live`, "Live", view === "live"),
    ui.me.scope === "read" ? null : link(`${at}/keys`, "Keys", view === "keys")];
}

function frame(name, view, detail) {
  const picker = current.month ? h("select", { id: "month", "aria-label": "Month", onchange: (e) => { ui.month = e.target.value; open(); document.getElementById("month")?.focus(); } },
    months(13).map((m) => h("option", { value: m, selected: m === ui.month }, monthName(m)))) : null;
  const title = name ? (view ? `${current.title}, ${name}` : name) : current.title;
  app.replaceChildren(
    h("header", { class: "top" },
      h("div", { class: "bar-top" },
        h("a", { class: "brand", href: "#/" }, h("img", { src: "/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "Farthing")),
        h("p", { class: "crumbs" }, ui.admin && name ? [h("a", { href: "#/" }, "All accounts"), h("span", { "aria-hidden": "true" }, " / ")] : null, name ? h("strong", {}, name) : h("strong", {}, "All accounts")),
        h("div", { class: "right-side" }, h("span", { id: "age", class: "age" }), picker, h("button", { type: "button", class: "quiet", onclick: signOut }, "Sign out"))),
      h("nav", { "aria-label": "Pages" }, tabs(name, view))),
    h("div", { id: "banner", class: "banner", role: "alert", hidden: true }),
    h("main", { id: "main", tabindex: "-1" }, h("h1", { class: detail ? "title" : "visually-hidden" }, detail ? current.title : title), current.page));
  document.title = `${title} · Farthing`;
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

ui.toast = (text) => {
  const banner = document.getElementById("banner");
  if (!banner) return;
  banner.replaceChildren(h("span", {}, text.replace(/^[a-z]/, (c) => c.toUpperCase())), h("button", { type: "button", class: "small", onclick: () => refresh() }, "Try now"));
  banner.hidden = false;
};

// ---- refreshing

function age() {
  const el = document.getElementById("age");
  if (!el) return;
  const seconds = lastSuccess ? Math.round((Date.now() - lastSuccess) / 1000) : 0;
  const text = !lastSuccess ? "" : seconds < 10 ? "up to date" : `${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} old`;
  if (el.textContent !== text) el.textContent = text;
  el.classList.toggle("warn", seconds >= OLD_S);
  document.getElementById("main")?.classList.toggle("stale", seconds >= OLD_S);
}

async function refresh() {
  const mine = ++round, page = current, began = Date.now();
  clearTimeout(timer);
  if (!page) return;
  try {
    const data = await page.load();
    if (mine !== round) return;
    lastData = data;
    lastSuccess = Date.now();
    document.getElementById("banner").hidden = true;
    page.update(data, ui.month);
  } catch (error) {
    if (mine !== round) return;
    if (failed(error)) return;
  }
  age();
  timer = setTimeout(next, Math.max(page.every ?? REFRESH_MS, REST * (Date.now() - began)) / PACE);
}
ui.refresh = refresh;

// Nobody looks at a hidden tab: it waits.
function next() {
  if (document.hidden) timer = setTimeout(next, 1000);
  else refresh();
}

// True when there is nothing to try again.
function failed(error) {
  if (error instanceof Problem && error.status === 401) {
    sessionStorage.removeItem("farthing.key");
    signIn("This key does not work any more: it was revoked or has expired.");
    return true;
  }
  if (error instanceof Problem && error.status === 404 && !lastData) {
    current.page.replaceChildren(h("section", { class: "card" }, empty("There is nothing here.", error.message, " ", h("a", { href: "#/" }, "Back to the start"))));
    return true;
  }
  if (error instanceof Offline) {
    ui.toast(lastSuccess ? `The node does not answer. These are the numbers of ${new Date(lastSuccess).toISOString().slice(11, 19)} UTC; trying again.` : "The node does not answer; trying again.");
  } else {
    if (!(error instanceof Problem)) console.error(error);
    ui.toast(error instanceof Problem ? `${error.message}${error.body?.request_id ? ` (request ${error.body.request_id})` : ""}` : "This page failed to draw; trying again.");
  }
  return false;
}

ui.redraw = () => {
  if (lastData && current) current.update(lastData, ui.month);
};

function stop() {
  round++;
  clearTimeout(timer);
  current?.close?.();
  current = null;
  lastData = null;
  lastSuccess = null;
}

// ---- addresses: #/ and #/@close for the operator, #/ACCOUNT[/functions[/NAME]|limits|invoices[/ID]|live|keys]

function pageOf(account, view, id) {
  if (!account) return view === "@close" ? closePage(ui) : operatorPage(ui);
  if (view === "functions") return id ? functionPage(ui, id) : functionsPage(ui);
  if (view === "invoices") return id ? invoicePage(ui, id) : invoicesPage(ui);
  if (view === "limits") return limitsPage(ui);
  if (view === "keys") return keysPage(ui);
  return view === "live" ? livePage(ui) : overviewPage(ui);
}

function open() {
  if (!ui.me) return;
  stop();
  let [account, view, id] = where();
  ui.admin = ui.me.scope === "admin";
  if (account?.startsWith("@")) [account, view] = ["", account];
  ui.account = ui.admin ? account || null : ui.me.account_name;
  current = pageOf(ui.account, view, id);
  frame(ui.account, view, Boolean(id));
  refresh();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => ui.redraw());
addEventListener("hashchange", () => { open(); scrollTo(0, 0); document.getElementById("main")?.focus({ preventScroll: true }); });
document.querySelector(".skip").addEventListener("click", (event) => { // not an address of ours
  event.preventDefault();
  document.getElementById("main")?.focus();
});
document.addEventListener("visibilitychange", () => !document.hidden && current && refresh());
setInterval(age, 1000);

if (ui.api.key) {
  ui.api.get("/v1/key").then((me) => { ui.me = me; open(); }, (error) => signIn(error instanceof Offline ? "The node does not answer." : undefined));
} else {
  signIn();
}
