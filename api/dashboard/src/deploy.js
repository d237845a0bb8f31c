// Deploying a function from the browser, and running one.
import { enc } from "./api.js";
import { card, dialog, h, say } from "./dom.js";
import * as f from "./format.js";
import { base64, zipOf } from "./zip.js";

const CODE_BYTES_MAX = 50 * 1048576; // of a package

const LANGUAGES = {
  nodejs: { label: "Node.js", file: "index.js", handler: "index.handler", code: `exports.handler = async (event) => {
  console.log("called with", event);
  return \`Hello, \${event.name ?? "world"}\`;
};
` },
  python: { label: "Python", file: "main.py", handler: "main.handler", code: `def handler(event, context):
    print("called with", event)
    return "Hello, " + event.get("name", "world")
` },
};

const number = (id, value, min, max, step) => h("input", { id, type: "number", value, min, max, step, required: true, inputmode: "numeric" });
const field = (label, input, note) => h("div", { class: "field" }, h("label", { for: input.id }, label), input, note ? h("p", { class: "fine-print" }, note) : null);

export function newFunction(ui) {
  const error = h("p", { class: "error", role: "alert", id: "d-error" });
  const name = h("input", { id: "d-name", required: true, maxlength: 64, pattern: "[A-Za-z0-9_\\-]+", autocomplete: "off", spellcheck: "false", placeholder: "greet", title: "Letters, digits, _ and -" });
  const language = h("select", { id: "d-language", onchange: () => choose() }, Object.entries(LANGUAGES).map(([value, l]) => h("option", { value }, l.label)));
  const memory = number("d-memory", 128, 128, 10240, 1), timeout = number("d-timeout", 3, 1, 900, 1);
  const code = h("textarea", { id: "d-code", class: "code", rows: 9, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  const file = h("input", { id: "d-zip", type: "file", accept: ".zip,application/zip", onchange: () => { code.disabled = file.files.length > 0; } });
  const handler = h("input", { id: "d-handler", required: true, autocomplete: "off", spellcheck: "false" });
  let example = "";
  const choose = () => {
    const l = LANGUAGES[language.value];
    if (code.value === example) code.value = l.code; // what somebody wrote stays
    example = l.code;
    handler.value = l.handler;
  };
  const content = async () => {
    if (file.files.length === 0) return zipOf(LANGUAGES[language.value].file, code.value);
    if (file.files[0].size > CODE_BYTES_MAX) throw new Error(`The zip has ${f.bytes(file.files[0].size)}; a package may have 50 MiB.`);
    return new Uint8Array(await file.files[0].arrayBuffer());
  };
  const deploy = async (event, close) => {
    event.preventDefault();
    const button = event.target.querySelector("button[type=submit]");
    error.textContent = "";
    button.disabled = true;
    try {
      await ui.api.fetch("POST", `/v1/accounts/${enc(ui.account)}/functions`, { body: { name: name.value.trim(), runtime: language.value, handler: handler.value.trim(),
        memory_mb: Number(memory.value), timeout_s: Number(timeout.value), code: base64(await content()) } });
      close();
      say(`${name.value.trim()} is deployed.`);
      location.hash = `#/${ui.account}/functions/${name.value.trim()}`;
    } catch (problem) {
      error.textContent = problem.message;
      button.disabled = false;
    }
  };
  const box = dialog("d-title", (close) => h("form", { method: "dialog", onsubmit: (event) => deploy(event, close) }, h("h2", { id: "d-title" }, "A new function"),
    h("div", { class: "fields" }, field("Name", name), field("Language", language), field("Memory, MiB", memory), field("Time limit, seconds", timeout)),
    field("Code", code),
    h("details", {}, h("summary", {}, "More than one file"), h("div", { class: "fields" }, field("A zip instead of the code above", file), field("Handler", handler, "file.function"))),
    error, h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Deploy"), h("button", { type: "button", class: "quiet", onclick: close }, "Cancel"))));
  box.classList.add("broad");
  choose();
  name.focus();
}

// ---- running one

const cost = (headers) => {
  const of = (name) => headers.get(`Farthing-${name}`);
  if (of("Billed-Ms") === null) return "";
  return `billed ${f.count(Number(of("Billed-Ms")))} ms at ${of("Memory-Mib")} MiB · ran ${f.micros(Number(of("Duration-Us")))} · peak ${f.mebibytes(Number(of("Peak-Kib")))} MiB · ${of("Cold") === "true" ? "cold" : "warm"}`;
};

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

function refusal(problem) {
  const resets = problem.body?.resets_at ? ` It starts again at ${f.dateTime(problem.body.resets_at)} UTC.` : "";
  return `${problem.message}${resets}`;
}

export function runCard(ui, name) {
  const event = h("textarea", { id: "r-event", class: "code", rows: 5, spellcheck: "false", autocapitalize: "off" });
  event.value = '{"name": "Ada"}';
  const note = h("p", { class: "fine-print", role: "status" }, "It is metered, counts against the limits and is on the bill, as every call.");
  const shown = h("pre", { class: "answer", tabindex: "0", "aria-label": "Answer", hidden: true });
  const tell = (kind, text, words) => {
    shown.className = `answer ${kind}`;
    shown.textContent = text;
    shown.hidden = text === "";
    note.textContent = words;
  };
  const run = async () => {
    try {
      if (event.value.trim() !== "") JSON.parse(event.value);
    } catch (wrong) {
      tell("bad", "", `The event is no JSON: ${wrong.message}`);
      event.focus();
      return;
    }
    button.disabled = true;
    note.textContent = "It runs…";
    try {
      const answer = await ui.api.fetch("POST", `/v1/accounts/${enc(ui.account)}/functions/${enc(name)}/invocations`, { text: event.value.trim() || "{}" });
      const failed = answer.headers.get("Farthing-Function-Error");
      tell(failed ? "bad" : "", pretty(await answer.text()), `${failed ? "It failed · " : ""}${cost(answer.headers)}`);
    } catch (problem) {
      tell("bad", refusal(problem), problem.status === 429 ? "A limit refused it; nothing ran." : "It did not run.");
    }
    button.disabled = false;
    ui.refresh();
  };
  const button = h("button", { type: "button", class: "primary", "data-focus": "run", onclick: run }, "Run");
  return card("Run it", "h-run", h("label", { class: "visually-hidden", for: "r-event" }, "Event, JSON"), event,
    h("div", { class: "run" }, button, note), shown);
}
