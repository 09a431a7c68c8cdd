
// One design, or two side by side: sliders, curves, and what the file says.

const PLACES = 100; // at which w(p) is drawn

function row(design, at) {
  const moment = design.moments[design.moments.length > 1 ? at.step : 0];
  return (design.tables[at.n] || {})[`${design.counts.map((name) => at.params[name]).join(",")}|${moment}`];
}

function advantages(found) {
  return ["right", "wrong"].map((name) => ({ name, dots: true,
    points: found[name].map((cell, i) => [i, value(cell), cell]).filter((point) => point[1] !== null) }));
}

function sideBySide() {
  const columns = state.ids.map((id) => new Column(BY_ID.get(id)));
  const controls = element("div", { class: "controls stays" });
  const moved = () => { update(); changed(); };
  const sliders = [];

  function slider(label, id, values, current, set) {
    const shown = element("output", { for: id, "aria-live": "off" });
    const input = element("input", { type: "range", id, min: 0, step: 1 });
    const node = element("label", { for: id }, element("span", {}, label, " = ", shown), input);
    input.addEventListener("input", () => { set(values()[Number(input.value)]); moved(); });
    return { node, refresh() {
      const all = values(), at = Math.max(0, all.indexOf(current()));
      input.max = Math.max(0, all.length - 1);
      input.value = at;
      shown.textContent = all.length ? String(all[at]) : "none";
      input.setAttribute("aria-valuetext", `${label} = ${shown.textContent}`);
    } };
  }

  if (drawn(state.ids).length) {
    sliders.push(slider("N", "slider-n", () => SIZES, () => state.n, (n) => { state.n = n; keepRanges(state); }));
    for (const name of names(state.ids)) {
      sliders.push(slider(name, `slider-${name}`, () => choices(state.ids, name, state.n), () => state.params[name],
        (at) => { state.params[name] = at; }));
    }
    if (timed(state.ids)) {
      sliders.push(slider(`step (of ${STEPS})`, "slider-step", () => [...Array(STEPS + 1).keys()], () => state.step,
        (at) => { state.step = at; }));
    }
  }
  const other = element("select", { id: "compare", onchange: () => {
    const ids = other.value ? [state.ids[0], other.value] : [state.ids[0]];
    go(read(write({ ...state, ids, params: { ...state.params } })));
  } }, element("option", { value: "" }, "nothing"), ...DESIGNS.filter((design) => design.id !== state.ids[0])
    .map((design) => element("option", { value: design.id }, design.name)));
  other.value = state.ids[1] || "";
  controls.append(...sliders.map((each) => each.node));
  controls.hidden = !sliders.length;
  const top = element("div", { class: "top" }, element("a", { href: "#" }, "All designs"),
    element("label", {}, "Compare with ", other));

  function update() {
    sliders.forEach((each) => each.refresh());
    const found = columns.map((column) => (column.design.tables ? row(column.design, state) : null));
    const all = found.filter(Boolean);
    const span = (pick) => extent(all.flatMap(pick)); // one scale for both, so that heights can be compared
    const scales = {
      advantage: span((each) => [...each.right, ...each.wrong].map(value).filter((at) => at !== null)),
      eta: span((each) => each.eta.map(value)),
      weight: span((each) => curve(each.weight).map((point) => point[1])),
    };
    columns.forEach((column, i) => column.update(found[i], scales));
  }
  const cursors = { n: (index) => columns.forEach((each) => each.move("n", index)),
    p: (index) => columns.forEach((each) => each.move("p", index)) };
  columns.forEach((column) => column.listen(cursors));
  const gone = state.missing.map((id) => element("p", { class: "bad" }, `This page has no design ${id}.`));
  const side = element("div", { class: columns.length > 1 ? "side two" : "side" }, ...columns.map((each) => each.node));
  return { nodes: [top, ...gone, controls, side], update };
}

const curve = (weight) => Array.from({ length: PLACES + 1 }, (_, i) => [i / PLACES, bernstein(weight, i / PLACES)]);

const TITLES = ["Advantage against n_pos", "eta = n_pos |A_correct| + n_neg |A_wrong|, the push of a group",
  "w(p): the mean gradient is w(p) grad p"];

class Column {
  constructor(design) {
    this.design = design;
    this.at = { n: null, p: PLACES / 2 };
    this.charts = [];
    this.node = element("article", { "data-design": design.id, "aria-label": design.name },
      element("section", {}, element("h2", {}, design.name), ...about(design)),
      element("section", {}, element("h3", {}, "Formulas"), formulas(design)),
      element("section", {}, ...params(design)));
    this.curves = element("section", {}, element("h3", {}, "What groups of 0/1 rewards get"));
    this.node.append(this.curves, element("section", {}, ...claims(design)), element("section", {}, ...yaml(design)));
  }

  listen(cursors) {
    if (!this.design.tables) {
      this.curves.append(element("p", { class: "why" }, `No curves: ${this.design.why}.`));
      return;
    }
    this.note = element("p", { class: "why", hidden: true });
    this.charts = TITLES.map((title, i) => new Chart(title, cursors[i < 2 ? "n" : "p"]));
    this.figures = element("div", {}, ...this.charts.map((chart) => chart.node));
    const before = "Before `token:` changes it from token to token.";
    if (this.design.token) this.curves.append(element("p", { class: "faint" }, before));
    this.curves.append(this.note, this.figures);
  }

  update(found, scales) {
    if (!this.charts.length) return;
    this.found = found;
    this.note.hidden = Boolean(found);
    this.figures.hidden = !found;
    if (!found) {
      this.note.textContent = this.absent();
      return;
    }
    const n = state.n, places = [...Array(n + 1).keys()], [advantage, eta, weight] = this.charts;
    if (this.at.n === null || this.at.n > n || this.n !== n) this.at.n = n / 4;
    this.n = n;
    const counts = { x: [0, n], xTicks: places.filter((at) => at % (n / 4) === 0), places, start: this.at.n };
    const here = (i) => `n_pos = ${i} of ${n}`;
    advantage.show({ ...counts, series: advantages(found), y: scales.advantage,
      keys: [["right", "a right answer"], ["wrong", "a wrong answer"]],
      read: (i) => `${here(i)}: right ${text(found.right[i])}, wrong ${text(found.wrong[i])}` });
    const pushes = found.eta.map(value), most = Math.max(...pushes);
    const peaks = most > 0 ? places.filter((i) => pushes[i] === most) : [];
    const said = peaks.length ? `largest at ${peaks.map((i) => `${i}/${n}`).join(", ")}` : "0 everywhere";
    eta.show({ ...counts, y: scales.eta,
      series: [{ name: "eta", dots: true, points: pushes.map((at, i) => [i, at, found.eta[i]]) }],
      peaks: peaks.map((i) => [i, most]), read: (i) => `${here(i)}: eta ${text(found.eta[i])}; ${said}` });
    const points = curve(found.weight);
    weight.show({ series: [{ name: "weight", points }], x: [0, 1], xTicks: [0, 0.25, 0.5, 0.75, 1], y: scales.weight,
      places: points.map((point) => point[0]), start: this.at.p,
      read: (i) => `p = ${i / PLACES}: w = ${decimal(points[i][1])}` });
    weight.frame.dataset.coefficients = found.weight.join(" ");
  }

  absent() {
    const failed = this.design.without[state.n];
    if (failed) return `No curves for groups of ${state.n}: ${failed}`;
    const allowed = this.design.counts.map((name) => [name, choices([this.design.id], name, state.n)]);
    const ranges = allowed.filter(([, all]) => all.length).map(([name, all]) => `${name} = ${all[0]}..${all.at(-1)}`);
    return `No curves here: for groups of ${state.n} this page has ${ranges.join(", ") || "nothing of this design"}.`;
  }

  move(axis, index) {
    if (!this.found) return;
    this.at[axis] = index;
    for (const chart of axis === "n" ? this.charts.slice(0, 2) : this.charts.slice(2)) chart.at(index);
  }
}

// ── What a file says ────────────────────────────────────────────────────────

// Text with links where it names an arXiv paper.
function linked(said) {
  const parts = said.split(/(arXiv:\d{4}\.\d{4,5})/);
  return parts.map((part, i) => (i % 2
    ? element("a", { href: `https://arxiv.org/abs/${part.slice(6)}`, rel: "noreferrer noopener" }, part) : part));
}

function about(design) {
  const rows = [["not", "Not"], ["Source", "Source"], ["Differs", "Differs"]].filter(([key]) => design.about[key]);
  const list = element("dl", {});
  for (const [key, label] of rows) {
    const said = key === "not" ? design.about.not.replace(/^Not /, "") : design.about[key];
    list.append(element("dt", {}, label), element("dd", {}, ...linked(said)));
  }
  list.append(element("dt", {}, "Reads"), element("dd", {}, design.reads.join(", ") || "nothing"));
  return [element("p", { class: "faint" }, design.path), element("p", {}, ...linked(design.about.does || "")), list];
}

function formulas(design) {
  const lines = design.formulas.map((formula) => {
    if ("uses" in formula) {
      const said = ` what ${formula.uses} gives${formula.text ? ` with ${formula.text}` : ""}`;
      return element("div", {}, formulaOf([formula.name, ["mo", "="]], formula.label, ""), said);
    }
    const label = formula.name[0] === "mtext" ? [formula.name] : [formula.name, ["mo", "="]];
    const shown = formulaOf([...label, ["mspace", { width: "0.3em" }], formula.math], formula.label, formula.text);
    const flat = element("span", { class: "faint" }, "where there is no value");
    return element("div", { title: formula.text }, shown, formula.label === "advantage.flat" ? flat : "");
  });
  return element("div", { class: "formulas", tabindex: 0, role: "group", "aria-label": "Formulas" }, ...lines);
}

// MathML; the formula as it was typed where a browser has none, or nothing was compiled.
function formulaOf(parts, label, typed) {
  if (parts.at(-1) === null || !("MathMLElement" in window)) return element("code", {}, `${label}: ${typed}`);
  const node = math(["math", { display: "block" }, ["mrow", ...parts]]);
  node.setAttribute("alttext", typed);
  return node;
}

function params(design) {
  if (!design.params.length) return [];
  const list = element("dl", {});
  for (const { name, default: at, range } of design.params) {
    const limits = range.length ? `, from ${range[0]} to ${range[1]}` : "";
    list.append(element("dt", {}, name), element("dd", {}, at + limits));
  }
  return [element("h3", {}, "Parameters"), list];
}

function claims(design) {
  if (!design.claims.length) return [];
  const lines = design.claims.map(({ text: said, verdict, over, error }) => {
    const failed = verdict === "FAILED";
    const word = verdict ? element("b", { class: failed ? "bad" : "" }, verdict) : "";
    const line = element("li", {}, word, " ", element("code", {}, said));
    if (failed) line.append(element("pre", { tabindex: 0 }, error));
    else if (over) line.append(element("div", { class: "faint" }, over));
    return line;
  });
  const heading = design.claims[0].verdict ? "Claims" : "Claims, not decided here";
  return [element("h3", {}, heading), element("ul", { class: "claims" }, ...lines)];
}

function yaml(design) {
  const source = element("pre", { tabindex: 0, "aria-label": "YAML" }, design.yaml);
  const said = element("span", { role: "status" });
  const copy = element("button", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(design.yaml);
      said.textContent = " copied";
    } catch {
      getSelection().selectAllChildren(source);
      said.textContent = " selected: copy it with your keyboard";
    }
  } }, "Copy");
  return [element("h3", {}, "YAML"), copy, said, source];
}
