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

// Rebuild el's content only when data differs from what it shows; the focus stays where it was (by data-focus).
export function show(el, data, build) {
  const text = JSON.stringify(data);
  if (el.shown === text) return;
  el.shown = text;
  const focus = el.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  el.replaceChildren(...[build(data)].flat(Infinity).filter(Boolean));
  if (focus) el.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
}

export function say(text) {
  document.getElementById("status").textContent = text;
}

export function card(title, id, ...children) {
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

// columns: {name, label, right, cell(row), sort(row)}; rows keep their order unless a head is pressed.
export function sortableTable({ caption, columns, rows, state, empty, onSort }) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
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
  const body = sorted.map((row) =>
    h("tr", {}, columns.map((c, i) =>
      h(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: c.right ? "right" : null, "data-label": c.label }, c.cell(row)))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}
