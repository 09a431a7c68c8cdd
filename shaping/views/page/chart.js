
// Charts in SVG. A cell of a table is a number, "3/7", [0.7, "√2/2"] or null; see report.py.

function value(cell) {
  if (cell === null || typeof cell === "number") return cell;
  if (Array.isArray(cell)) return cell[0];
  const [top, bottom] = cell.split("/");
  return Number(top) / Number(bottom);
}

function text(cell) {
  if (cell === null) return "none";
  if (Array.isArray(cell)) return cell[1];
  return typeof cell === "string" ? cell : decimal(cell);
}

function decimal(number) {
  return Number.isInteger(number) && Math.abs(number) < 1e9 ? String(number) : String(Number(number.toPrecision(6)));
}

// w(p) = sum_m C(n, m) p^m (1-p)^(n-m) D_m by de Casteljau: only means of the D_m, so nothing cancels or overflows.
function bernstein(coefficients, p) {
  const left = coefficients.slice();
  for (let n = left.length - 1; n > 0; n--) {
    for (let i = 0; i < n; i++) left[i] = (1 - p) * left[i] + p * left[i + 1];
  }
  return left[0];
}

const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, given] of Object.entries(attributes)) node.setAttribute(key, given);
  node.append(...children);
  return node;
}

function stride(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
}

// Round numbers from low to high, about `count` of them.
function ticks(low, high, count) {
  const step = stride(low, high, count), found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

// The range that holds all these numbers and 0, from tick to tick.
function extent(numbers) {
  const low = Math.min(0, ...numbers), high = Math.max(0, ...numbers);
  if (!(high > low)) return [-1, 1];
  const step = stride(low, high, 4);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

// A picture of lines: series = [{name, points: [[x, y, cell]], dots}], x and y ranges, size in pixels.
// Each point is in the page with what it stands for: data-x, data-value (the number), data-exact (as shown).
function draw(frame, { series, x, y, xTicks, width, height, peaks = [], bare = false }) {
  const left = bare ? 2 : 52, right = bare ? 2 : 10, top = bare ? 3 : 8, bottom = bare ? 3 : 24;
  const across = (at) => left + ((at - x[0]) / (x[1] - x[0])) * (width - left - right);
  const up = (at) => height - bottom - ((at - y[0]) / (y[1] - y[0])) * (height - top - bottom);
  frame.replaceChildren();
  frame.setAttribute("viewBox", `0 0 ${width} ${height}`);
  frame.setAttribute("height", height);
  frame.append(svg("line", { class: "zero", x1: left, x2: width - right, y1: up(0), y2: up(0) }));
  if (bare) frame.firstChild.setAttribute("stroke", "currentColor");
  for (const at of bare ? [] : ticks(...y, 4)) {
    const label = decimal(Number(at.toPrecision(4)));
    frame.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: up(at), y2: up(at) }));
    frame.append(svg("text", { x: left - 6, y: up(at) + 4, "text-anchor": "end" }, label));
  }
  for (const at of bare ? [] : xTicks) {
    frame.append(svg("text", { x: across(at), y: height - 6, "text-anchor": "middle" }, decimal(at)));
  }
  for (const { name, points, dots } of series) {
    const path = points.map(([px, py]) => `${across(px).toFixed(1)},${up(py).toFixed(1)}`).join(" ");
    frame.append(svg("polyline", { class: `line ${name}`, points: path }));
    for (const [px, py, cell] of dots ? points : []) {
      const data = { class: `dot ${name}`, "data-series": name };
      Object.assign(data, { "data-x": px, "data-value": py, "data-exact": text(cell) });
      const shape = name === "wrong"
        ? svg("rect", { x: across(px) - 2.5, y: up(py) - 2.5, width: 5, height: 5, ...data })
        : svg("circle", { cx: across(px), cy: up(py), r: 3, ...data });
      frame.append(shape);
    }
  }
  for (const [px, py] of peaks) {
    frame.append(svg("circle", { class: "peak", cx: across(px), cy: up(py), r: 7, "data-peak": px }));
  }
  return { across, left, right: width - right, top, bottom: height - bottom };
}

// A chart whose cursor follows the pointer and the arrow keys. `spec.read(i)` says in words what is at place i.
class Chart {
  constructor(title, moved) {
    this.moved = moved;
    this.frame = svg("svg", { class: "chart", tabindex: 0, role: "slider", "aria-label": title });
    this.readout = element("div", { class: "readout" });
    this.key = element("div", { class: "key faint" });
    const caption = element("figcaption", {}, title);
    this.node = element("figure", {}, caption, this.key, this.frame, this.readout);
    for (const kind of ["pointermove", "pointerdown"]) {
      this.frame.addEventListener(kind, (event) => this.point(event.clientX));
    }
    this.frame.addEventListener("keydown", (event) => this.press(event));
  }

  show(spec) {
    this.spec = spec;
    const width = Math.max(240, this.frame.clientWidth || 480);
    this.place = draw(this.frame, { ...spec, width, height: 200 });
    this.cursor = svg("line", { class: "cursor", y1: this.place.top, y2: this.place.bottom });
    this.frame.append(this.cursor);
    this.frame.setAttribute("aria-valuemin", spec.places[0]);
    this.frame.setAttribute("aria-valuemax", spec.places.at(-1));
    this.key.replaceChildren(...(spec.keys || []).map(keyOf));
    this.at(spec.start);
  }

  at(index) {
    this.index = Math.max(0, Math.min(this.spec.places.length - 1, index));
    const across = this.place.across(this.spec.places[this.index]);
    this.cursor.setAttribute("x1", across);
    this.cursor.setAttribute("x2", across);
    this.readout.textContent = this.spec.read(this.index);
    this.frame.setAttribute("aria-valuenow", this.spec.places[this.index]);
    this.frame.setAttribute("aria-valuetext", this.readout.textContent);
  }

  point(clientX) {
    const box = this.frame.getBoundingClientRect(), scale = this.frame.viewBox.baseVal.width / box.width;
    const share = ((clientX - box.left) * scale - this.place.left) / (this.place.right - this.place.left);
    this.moved(Math.max(0, Math.min(this.spec.places.length - 1, Math.round(share * (this.spec.places.length - 1)))));
  }

  press(event) {
    const last = this.spec.places.length - 1;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -last, End: last };
    if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.moved(Math.max(0, Math.min(last, this.index + steps[event.key])));
  }
}

function keyOf([name, label]) {
  const sample = svg("svg", { width: 34, height: 10, "aria-hidden": "true" });
  sample.append(svg("line", { class: `line ${name}`, x1: 0, x2: 34, y1: 5, y2: 5 }));
  sample.append(name === "wrong"
    ? svg("rect", { class: `dot ${name}`, x: 14, y: 2, width: 6, height: 6 })
    : svg("circle", { class: `dot ${name}`, cx: 17, cy: 5, r: 3 }));
  return element("span", {}, sample, label);
}
