
// Elements, the gallery, and going from one view to the next. Text of designs only ever becomes text nodes.

const MAIN = document.getElementById("main");

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, given] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), given);
    else if (given !== null && given !== false) node.setAttribute(key, given === true ? "" : given);
  }
  node.append(...children);
  return node;
}

const MATHML = "http://www.w3.org/1998/Math/MathML";

function math(parts) {
  const [tag, ...rest] = parts;
  const node = document.createElementNS(MATHML, tag);
  for (const part of rest) {
    if (Array.isArray(part)) node.append(math(part));
    else if (typeof part === "string") node.append(part);
    else for (const [key, given] of Object.entries(part)) node.setAttribute(key, given);
  }
  return node;
}

// ── Gallery ─────────────────────────────────────────────────────────────────

function gallery() {
  const kinds = [...new Set(DESIGNS.flatMap((design) => design.reads))];
  const search = element("input", { type: "search", id: "search", value: state.q, autocomplete: "off",
    oninput: () => { state.q = search.value; update(); changed(); } });
  const reads = element("select", { id: "reads", onchange: () => { state.reads = reads.value; update(); changed(); } },
    element("option", { value: "" }, "anything"),
    ...kinds.map((kind) => element("option", { value: kind }, kind === "verdicts" ? "verdicts alone" : kind)));
  reads.value = kinds.includes(state.reads) ? state.reads : "";
  state.reads = reads.value;
  const count = element("p", { role: "status", class: "faint", id: "count" });
  const cards = DESIGNS.map((design) => [design, element("li", {}, card(design))]);
  const controls = element("div", { class: "controls", role: "search" },
    element("label", {}, "Search", search), element("label", {}, "Reads", reads));

  function update() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [design, node] of cards) {
      const said = [design.name, design.path, ...Object.values(design.about)].join(" ").toLowerCase();
      const fits = words.every((word) => said.includes(word)) && (!state.reads || design.reads.includes(state.reads));
      node.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${DESIGNS.length} designs`;
  }
  const gone = state.missing.map((id) => element("p", { class: "bad" }, `This page has no design ${id}.`));
  const list = element("ul", { class: "cards" }, ...cards.map(([, node]) => node));
  return { nodes: [...gone, controls, count, list], update };
}

function card(design) {
  const link = element("a", { class: "card", href: `#design=${design.id}` }, element("h2", {}, design.name));
  link.append(element("p", {}, (design.about.does || "").split(/(?<=\.)\s/)[0]));
  link.append(element("p", { class: "faint" }, `reads ${design.reads.join(", ") || "nothing"}`));
  if (design.tables) {
    const own = keepRanges({ ids: [design.id], n: 16, params: Object.fromEntries(
      design.counts.map((name) => [name, fallback([design.id], name)])), step: 0 });
    const found = row(design, own);
    if (found) {
      const frame = svg("svg", { width: 150, "aria-hidden": "true" });
      const series = advantages(found);
      draw(frame, { series: series.map((line) => ({ ...line, dots: false })), x: [0, 16], width: 150, height: 46,
        y: extent(series.flatMap((line) => line.points.map((point) => point[1]))), xTicks: [], bare: true });
      link.append(frame);
    }
  }
  return link;
}

// ── From view to view ───────────────────────────────────────────────────────

let state, view, later;

// Into the address once nothing changed for a while: browsers refuse more than a few changes a second.
function changed() {
  clearTimeout(later);
  later = setTimeout(() => history.replaceState(null, "", write(state)), 150);
}

function go(next) {
  clearTimeout(later);
  history.replaceState(null, "", write(state));
  location.hash = write(next);
}

function open() {
  clearTimeout(later);
  state = read(location.hash);
  if (state.ids.length && write(state) !== location.hash) history.replaceState(null, "", write(state));
  view = state.ids.length ? sideBySide() : gallery();
  MAIN.replaceChildren(...view.nodes);
  view.update();
  document.title = state.ids.length ? state.ids.map((id) => BY_ID.get(id).name).join(" and ") : "Advantage designs";
}

addEventListener("hashchange", open);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; view.update(); } });
open();
