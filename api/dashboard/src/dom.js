// Small helpers: elements from calls, and rebuilding a part only when what it shows has changed.

export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// Rebuild el's content only when data differs from what it shows; the focus stays where it was (by data-focus), and so
// does what was scrolled or opened.
export function show(el, data, build) {
  const text = JSON.stringify(data ?? null, (_, v) => (typeof v === "bigint" ? String(v) : v));
  if (el.shown === text) return;
  el.shown = text;
  const focus = el.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const opened = [...el.querySelectorAll("details[open][data-focus]")].map((d) => d.dataset.focus);
  const scroll = el.querySelector(".scroll")?.scrollLeft;
  el.replaceChildren(...[build(data)].flat(Infinity).filter(Boolean));
  for (const name of opened) el.querySelector(`details[data-focus="${CSS.escape(name)}"]`)?.setAttribute("open", "");
  if (scroll) el.querySelector(".scroll")?.scrollTo({ left: scroll });
  if (focus) el.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
}

export function say(text) {
  document.getElementById("status").textContent = text;
}

export function card(title, id, ...children) {
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

// A part of a page that loads: grey lines until show() fills it.
export function loading(lines = 3) {
  return h("div", { class: "fill" }, h("div", { class: "skeleton", role: "status" }, h("span", { class: "visually-hidden" }, "Loading…"),
    Array.from({ length: lines }, (_, i) => h("i", { vars: { "--w": `${92 - ((i * 29) % 45)}%` } }))));
}

// Cards of a page by name: parts.NAME is what show() fills.
export function cards(parts) {
  return (name, title, { lines, more } = {}) => {
    parts[name] = loading(lines);
    return card(title, `h-${name}`, more, parts[name]);
  };
}

export const empty = (title, ...more) => h("div", { class: "empty" }, h("p", {}, h("strong", {}, title)), more.length ? h("p", {}, more) : null);
export const chip = (kind, text = kind) => h("span", { class: `chip ${kind}` }, text);

export function tile(label, value, ...more) {
  return h("div", { class: "tile" }, h("dt", {}, label), h("dd", {}, h("span", { class: "big" }, value), more));
}

// A bar of per cents: parts [{class, share}], ticks at per cents.
export function bar({ label, words, now, kind = "", parts, ticks = [] }) {
  return h("div", { class: `bar ${kind}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": Math.round(Math.min(100, now)), "aria-valuetext": words },
    parts.map((p) => h("span", { class: p.class, vars: { "--w": `${p.share}%` } })),
    ticks.filter((t) => t > 0 && t < 100).map((t) => h("span", { class: "tick", vars: { "--x": `${t}%` } })));
}

// A ranked list with bars: rows {key, label (node), value, share (0 to 100), note}.
export function ranking(label, rows) {
  const most = Math.max(...rows.map((r) => r.share), 0.0001);
  return h("ol", { class: "ranking", "aria-label": label }, rows.map((r) =>
    h("li", {}, h("span", { class: "name" }, r.label), h("span", { class: "value" }, r.value), h("span", { class: "share" }, r.note),
      h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: r.kind, vars: { "--w": `${(100 * r.share) / most}%`, "--c": r.color ?? "var(--series-1)" } })))));
}

export function segments(label, name, choices, chosen, onChoose) {
  return h("div", { class: "segments", role: "radiogroup", "aria-label": label }, choices.map(([value, text]) =>
    h("label", { class: "segment" }, h("input", { type: "radio", name, value, checked: value === chosen, "data-focus": `${name}-${value}`,
      onchange: () => onChoose(value) }), h("span", {}, text))));
}

// columns: {name, label, short, right, cell(row), sort(row), foot(row), wide, desk}; on a phone a row is a card: short is its label
// there, wide takes a whole line, desk is left out. Rows keep their order unless a head is pressed.
export function sortableTable({ caption, columns, rows, state, empty: none, onSort, foot }) {
  if (rows.length === 0) return typeof none === "string" ? h("p", { class: "empty" }, none) : none;
  const sorted = [...rows];
  const by = columns.find((c) => c.name === state.by);
  if (by?.sort) {
    sorted.sort((a, b) => {
      const x = by.sort(a), y = by.sort(b);
      const order = typeof x === "string" ? x.localeCompare(y) : x < y ? -1 : x > y ? 1 : 0;
      return state.down ? -order : order;
    });
  }
  const head = columns.map((c) =>
    h("th", { scope: "col", class: c.right ? "right" : null,
      "aria-sort": c.sort ? (state.by === c.name ? (state.down ? "descending" : "ascending") : "none") : null },
      c.sort
        ? h("button", { type: "button", class: "sort", "data-focus": `sort-${c.name}`,
            onclick: () => { state.down = state.by === c.name ? !state.down : c.right === true; state.by = c.name; onSort(); } },
            c.label, h("span", { class: "arrow", "aria-hidden": "true" }, state.by === c.name ? (state.down ? "▾" : "▴") : ""))
        : c.label));
  const line = (row, kind) => h("tr", { class: kind }, columns.map((c, i) =>
    h(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: [c.right ? "right" : "", c.wide ? "wide" : "", c.desk ? "desk" : ""].join(" ").trim() || null, "data-label": c.short ?? c.label },
      kind === "foot" ? (c.foot?.(row) ?? "") : c.cell(row))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, head)),
      h("tbody", {}, sorted.map((row) => line(row, null))), foot ? h("tfoot", {}, line(foot, "foot")) : null));
}

// A dialog that closes with Escape and gives the focus back. build(close) gives its content.
export function dialog(titleId, build) {
  const before = document.activeElement;
  const el = h("dialog", { "aria-labelledby": titleId, onclose: () => { el.remove(); if (before?.isConnected) before.focus(); } });
  el.append(...[build(() => el.close())].flat());
  document.body.append(el);
  el.showModal();
  return el;
}
