// API keys and webhooks of an account: who may call, who is told. A secret is shown once, when it is made.
import { enc } from "./api.js";
import { cards, chip, dialog, empty, h, say, show, sortableTable } from "./dom.js";
import * as f from "./format.js";

function secretDialog(title, lines, close) {
  const copied = h("p", { class: "fine-print", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(lines.map(([, text]) => text).join("\n"));
      copied.textContent = "Copied.";
    } catch {
      copied.textContent = "The browser does not allow copying: select it and copy it by hand.";
    }
  };
  return h("form", { method: "dialog" }, h("h2", { id: "s-title" }, title), h("p", {}, "This is the only time it is shown."),
    lines.map(([label, text]) => h("p", { class: "secret" }, h("span", { class: "fine-print" }, label), h("code", { class: "digest" }, text))),
    copied, h("div", { class: "buttons" }, h("button", { type: "button", onclick: copy }, "Copy"), h("button", { type: "button", class: "primary", onclick: close }, "I have kept it")));
}

// A dialog with fields that makes something and then shows its secret.
function makeDialog(ui, title, fields, send) {
  const error = h("p", { class: "error", role: "alert" });
  const box = dialog("m-title", (close) => h("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    error.textContent = "";
    try {
      const [name, lines] = await send();
      close();
      dialog("s-title", (done) => secretDialog(name, lines, done));
      await ui.refresh();
    } catch (problem) {
      error.textContent = problem.message;
    }
  } }, h("h2", { id: "m-title" }, title), fields, error,
  h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Make it"), h("button", { type: "button", class: "quiet", onclick: close }, "Cancel"))));
  box.querySelector("input, select").focus();
}

function confirmed(title, text, action, work) {
  const error = h("p", { class: "error", role: "alert" });
  dialog("k-title", (close) => h("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    try {
      await work();
      close();
    } catch (problem) {
      error.textContent = problem.message;
    }
  } }, h("h2", { id: "k-title" }, title), h("p", {}, text), error,
  h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, action), h("button", { type: "button", class: "quiet", onclick: close }, "Cancel"))));
}

function keyTable(keys, base, ui) {
  const now = new Date().toISOString();
  const state = (k) => (k.revoked_at ? chip("bad", "revoked") : k.expires_at && k.expires_at < now ? chip("bad", "expired") : chip("ok", "in use"));
  const revoke = (k) => confirmed(`Revoke ${k.name || k.prefix}?`, "Whoever calls with it is refused within a second. It cannot be taken back.", "Revoke it", async () => {
    await ui.api.fetch("DELETE", `${base}/keys/${k.id}`);
    say("The key is revoked.");
    await ui.refresh();
  });
  return sortableTable({
    caption: "Keys", state: {}, rows: keys, empty: empty("No keys yet.", "Programs and people call with a key of this account."),
    columns: [
      { name: "name", label: "Name", cell: (k) => k.name || h("span", { class: "muted" }, k.id) },
      { name: "prefix", label: "Starts with", cell: (k) => h("code", {}, `${k.prefix}…`) },
      { name: "scope", label: "May", cell: (k) => (k.scope === "read" ? "only look" : "do everything in this account") },
      { name: "state", label: "State", cell: state },
      { name: "created", label: "Made (UTC)", cell: (k) => f.dateTime(k.created_at).slice(0, 16) },
      { name: "used", label: "Last used (UTC)", cell: (k) => f.dateTime(k.last_used_at).slice(0, 16) },
      { name: "expires", label: "Expires", cell: (k) => f.day(k.expires_at) },
      { name: "do", label: "", cell: (k) => (k.revoked_at ? "" : h("button", { type: "button", class: "link", "data-focus": `revoke-${k.id}`, "aria-label": `Revoke ${k.name || k.id}`, onclick: () => revoke(k) }, "Revoke")) },
    ],
  });
}

function webhookTable(hooks, base, ui) {
  const remove = (w) => confirmed("Remove the webhook?", `Nothing is sent to ${w.url} any more.`, "Remove it", async () => {
    await ui.api.fetch("DELETE", `${base}/webhooks/${w.id}`);
    say("The webhook is removed.");
    await ui.refresh();
  });
  const test = async (w) => {
    try {
      await ui.api.fetch("POST", `${base}/webhooks/${w.id}/test`, { body: {} });
      say(`A test event is on its way to ${w.url}.`);
      ui.toast(`A test event is on its way to ${w.url}.`);
    } catch (problem) {
      ui.toast(problem.message);
    }
  };
  return sortableTable({
    caption: "Webhooks", state: {}, rows: hooks, empty: empty("No webhooks yet.", "An address that is told, signed, when a limit crosses a threshold."),
    columns: [
      { name: "url", label: "Address", cell: (w) => w.url },
      { name: "events", label: "Events", cell: (w) => (w.events?.length ? w.events.join(", ") : "all") },
      { name: "state", label: "State", cell: (w) => (w.enabled === false ? chip("bad", "off") : chip("ok", "on")) },
      { name: "do", label: "", cell: (w) => h("span", { class: "downloads" }, h("button", { type: "button", class: "small", "aria-label": `Test ${w.url}`, onclick: () => test(w) }, "Test"),
        h("button", { type: "button", class: "small", "aria-label": `Remove ${w.url}`, onclick: () => remove(w) }, "Remove")) },
    ],
  });
}

export function keysPage(ui) {
  const parts = {}, part = cards(parts), base = `/v1/accounts/${enc(ui.account)}`;
  const makeKey = () => {
    const name = h("input", { id: "m-name", maxlength: 127, autocomplete: "off", placeholder: "what it is for" });
    const scope = h("select", { id: "m-scope" }, h("option", { value: "account" }, "Do everything in this account"), h("option", { value: "read" }, "Only look"));
    const until = h("input", { id: "m-until", type: "date" });
    makeDialog(ui, "A new key", [h("label", { for: "m-name" }, "Name"), name, h("label", { for: "m-scope" }, "It may"), scope, h("label", { for: "m-until" }, "It expires (never when left empty)"), until], async () => {
      const made = await (await ui.api.fetch("POST", `${base}/keys`, { body: { name: name.value.trim(), scope: scope.value, ...(until.value ? { expires_at: `${until.value}T00:00:00Z` } : {}) } })).json();
      return ["The key", [["Key", made.key]]];
    });
  };
  const makeHook = () => {
    const url = h("input", { id: "m-url", type: "url", required: true, placeholder: "https://", autocomplete: "off" });
    makeDialog(ui, "A new webhook", [h("label", { for: "m-url" }, "Address"), url], async () => {
      const made = await (await ui.api.fetch("POST", `${base}/webhooks`, { body: { url: url.value.trim() } })).json();
      return ["The webhook's secret", [["Signs every call", made.secret]]];
    });
  };
  const tool = (label, name, work) => ({ more: h("div", { class: "head-tools" }, h("button", { type: "button", "data-focus": name, onclick: work }, label)) });
  const page = h("div", { class: "page" }, part("keys", "Keys", { lines: 4, ...tool("New key", "new-key", makeKey) }), part("hooks", "Webhooks", { lines: 2, ...tool("New webhook", "new-hook", makeHook) }));
  const load = async () => {
    const [keys, hooks] = await Promise.all([ui.api.all(`${base}/keys?limit=1000`), ui.api.maybe(`${base}/webhooks`)]);
    return { keys, hooks: hooks?.items ?? [] };
  };
  const update = (data) => {
    show(parts.keys, data.keys, () => keyTable(data.keys, base, ui));
    show(parts.hooks, data.hooks, () => webhookTable(data.hooks, base, ui));
  };
  return { title: "Keys", page, load, update };
}
