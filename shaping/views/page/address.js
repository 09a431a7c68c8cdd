
// The address says after its "#" all of what is shown: a gallery, or one design, or two side by side.
//   #q=words&reads=length            the gallery, searched
//   #design=passk&n=16&k=4           one design; n answers a group, parameters by name, step = 16ths of a run
//   #compare=passk,grpo&n=16&k=4     two

const { designs: DESIGNS, sizes: SIZES, steps: STEPS } = JSON.parse(document.getElementById("data").textContent);
const BY_ID = new Map(DESIGNS.map((design) => [design.id, design]));
const OWN = ["q", "reads", "design", "compare", "n", "step"];

const paramKey = (name) => (OWN.includes(name) ? `param-${name}` : name); // a parameter may be called n

function read(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const asked = new Set((given.get("compare") || given.get("design") || "").split(",").filter(Boolean));
  const ids = [...asked].filter((id) => BY_ID.has(id)).slice(0, 2), missing = [...asked].filter((id) => !BY_ID.has(id));
  const state = { q: given.get("q") || "", reads: given.get("reads") || "", ids, missing, params: {} };
  if (!ids.length) return state;
  state.n = closest(SIZES, Number(given.get("n")) || 16);
  state.step = closest([...Array(STEPS + 1).keys()], Number(given.get("step") || 0));
  for (const name of names(ids)) {
    const at = given.get(paramKey(name));
    state.params[name] = Number.isFinite(Number(at ?? NaN)) ? Number(at) : fallback(ids, name);
  }
  return keepRanges(state);
}

function write(state) {
  const pairs = [];
  if (!state.ids.length) {
    if (state.q) pairs.push(["q", state.q]);
    if (state.reads) pairs.push(["reads", state.reads]);
  } else {
    pairs.push([state.ids.length > 1 ? "compare" : "design", state.ids.join(",")]);
    pairs.push(["n", state.n]);
    for (const [name, at] of Object.entries(state.params)) pairs.push([paramKey(name), at]);
    if (timed(state.ids)) pairs.push(["step", state.step]);
  }
  return "#" + pairs.map(([key, at]) => `${key}=${encodeURIComponent(at).replaceAll("%2C", ",")}`).join("&");
}

const drawn = (ids) => ids.map((id) => BY_ID.get(id)).filter((design) => design.tables);
const names = (ids) => [...new Set(drawn(ids).flatMap((design) => design.counts))];
const timed = (ids) => drawn(ids).some((design) => design.moments.some((place) => place > 0));
const fallback = (ids, name) =>
  Number(drawn(ids).filter((d) => d.counts.includes(name)).map((d) => d.params.find((p) => p.name === name).value)[0]);

function closest(numbers, wanted) {
  const target = Number.isFinite(wanted) ? wanted : numbers[0];
  return numbers.reduce((best, each) => (Math.abs(each - target) < Math.abs(best - target) ? each : best));
}

// Every value of a parameter that one of these designs has groups of n for.
function choices(ids, name, n) {
  const found = new Set();
  for (const design of drawn(ids)) {
    const place = design.counts.indexOf(name);
    if (place < 0) continue;
    for (const key of Object.keys(design.tables[n] || {})) found.add(Number(key.split("|")[0].split(",")[place]));
  }
  return [...found].sort((a, b) => a - b);
}

function keepRanges(state) {
  for (const name of Object.keys(state.params)) {
    const allowed = choices(state.ids, name, state.n);
    if (allowed.length) state.params[name] = closest(allowed, state.params[name]);
  }
  return state;
}
