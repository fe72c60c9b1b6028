// Interactive graphs, drawn by uPlot from the JSON beside each SVG. Where
// uPlot was not installed the SVG stays.
import { zoomTo } from "./range.js";
import { clock, format } from "./units.js";

const plots = new Map(); // figure element -> uPlot
let uPlot = null;
let sync = null;

export async function enhanceCharts() {
  if (!("enhanced" in document.body.dataset)) return;
  ({ default: uPlot } = await import("./vendor/uPlot.esm.js"));
  sync = uPlot.sync("page");
  watch(document);
  document.addEventListener("rondo:theme", () => { for (const figure of [...plots.keys()]) draw(figure); });
}

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = plots.get(target.closest("figure"));
    if (plot && target.clientWidth && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: plot.height });
  }
});

// Graphs are made when they come near the window: a page may hold dozens.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "300px" });

function watch(root) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) if (dataOf(figure)) seen.observe(figure);
}

const dataOf = (figure) => {
  const block = figure.querySelector("script");
  return block ? JSON.parse(block.textContent) : null;
};

// updateCharts takes over the graphs of a newer rendering of the page.
export function updateCharts(fresh) {
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const next = fresh.getElementById(figure.id);
    if (!next) { remove(figure); continue; }
    const before = figure.querySelector("script"), after = next.querySelector("script");
    if (before && after && before.textContent === after.textContent) continue;
    const plot = plots.get(figure);
    if (!plot || !after || !same(dataOf(figure), dataOf(next))) {
      drop(figure);
      figure.replaceChildren(...document.adoptNode(next).childNodes);
      if (uPlot && dataOf(figure)) draw(figure);
      continue;
    }
    before.textContent = after.textContent;
    set(figure, plot);
  }
  for (const grid of document.querySelectorAll("[data-charts][id]")) {
    const now = fresh.getElementById(grid.id);
    for (const figure of now?.querySelectorAll("figure[data-chart]") ?? []) {
      if (!document.getElementById(figure.id)) { grid.append(document.adoptNode(figure)); if (uPlot && dataOf(figure)) seen.observe(figure); }
    }
  }
}

// same says whether two graphs differ in their points only.
function same(a, b) {
  const shape = (d) => JSON.stringify([d.unit, d.thresholds, d.curves.map((c) => [c.name, !!c.min, c.step])]);
  return shape(a) === shape(b);
}

function set(figure, plot) {
  const data = dataOf(figure);
  plot.rondo = data;
  plot.setData(columns(data), false);
  plot.setScale("x", { min: data.start, max: data.end });
  legend(figure, plot, plot.cursor.idx);
}

function drop(figure) {
  plots.get(figure)?.destroy();
  plots.delete(figure);
}

function remove(figure) {
  drop(figure);
  figure.remove();
}

// columns lays the curves out as uPlot reads them: time, then for each curve
// its average and, where there is a band, its max and min.
function columns(data) {
  const out = [data.times];
  for (const c of data.curves) {
    out.push(c.avg);
    if (c.min) out.push(c.max, c.min);
  }
  return out;
}

function draw(figure) {
  drop(figure);
  const data = dataOf(figure);
  const holder = figure.querySelector(".plot");
  if (!data || !holder) return;
  const height = Math.max(120, Math.round(holder.getBoundingClientRect().height) || 180);
  const colours = [...figure.querySelectorAll(".legend li i")].map((i) => getComputedStyle(i).color);
  holder.replaceChildren();
  const plot = new uPlot(options(figure, data, colours, holder.clientWidth, plotHeight(figure, height)), columns(data), holder);
  plot.rondo = data;
  plots.set(figure, plot);
  sync.sub(plot);
  resized.observe(holder);
  legend(figure, plot, null);
}

const plotHeight = (figure) => (figure.classList.contains("tall") ? (innerWidth < 700 ? 220 : 300) : 170);

function options(figure, data, colours, width, height) {
  const css = getComputedStyle(figure);
  const ink = css.getPropertyValue("color");
  const quiet = getComputedStyle(figure.querySelector(".note, .legend")).color;
  const line = colour("--line");
  const axis = { stroke: quiet, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const { series, bands } = seriesOf(data, colours);
  return {
    width, height, series, bands,
    ms: 1e-3, // x values are seconds
    tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
    padding: [8, 18, 0, 0],
    legend: { show: false },
    scales: { x: { time: true, min: data.start, max: data.end, range: () => [plotData(figure, data).start, plotData(figure, data).end] }, y: { range: (u, lo, hi) => yRange(u.rondo ?? data, lo, hi) } },
    axes: [
      { ...axis, space: 70, size: 26, values: timeTicks },
      { ...axis, size: axisSize, space: 32, ...(data.unit.startsWith("B") ? { incrs: powersOfTwo } : {}), values: (u, splits) => splits.map((v) => format(v, data.unit)) },
    ],
    cursor: {
      sync: { key: "page", setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      focus: { prox: 16 },
    },
    hooks: {
      draw: [(u) => overlay(u, ink)],
      setCursor: [(u) => { legend(figure, u, u.cursor.idx); tell(figure, u); }],
      ready: [(u) => u.over.addEventListener("click", () => { if (u.select.width <= 4) visit(u); })],
      setSelect: [(u) => { if (u.select.width > 4) zoomTo(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")); }],
    },
  };
}

const powersOfTwo = Array.from({ length: 60 }, (_, i) => 2 ** i);

// axisSize makes room for the longest label.
const axisSize = (u, labels) => Math.max(58, 14 + 6.6 * Math.max(...(labels ?? [""]).map((l) => l.length)));

const plotData = (figure, data) => plots.get(figure)?.rondo ?? data;

function seriesOf(data, colours) {
  const series = [{}];
  const bands = [];
  const stepped = uPlot.paths.stepped({ align: 1 });
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  data.curves.forEach((c, i) => {
    const colour = colours[i % colours.length];
    series.push({ label: c.name, stroke: colour, width: 1.5, points: { show: false }, ...(c.step ? { paths: stepped, fill: tint(colour, 0.14) } : {}) });
    if (!c.min) return;
    series.push({ ...edge, label: "max" }, { ...edge, label: "min" });
    bands.push({ series: [series.length - 2, series.length - 1], fill: tint(colour, data.curves.length > 3 ? 0.12 : 0.22) });
  });
  return { series, bands };
}

// tint makes rgb(...) translucent.
const tint = (colour, alpha) => colour.replace(/^rgba?\(([^,]+),([^,]+),([^,)]+).*$/, `rgba($1,$2,$3,${alpha})`);

// yRange begins at zero where values are positive, and shows thresholds.
function yRange(data, lo, hi) {
  if (lo == null) [lo, hi] = [0, 1];
  for (const t of data.thresholds ?? []) {
    lo = Math.min(lo, t.value);
    hi = Math.max(hi, t.value);
  }
  const least = Math.min(0, lo);
  if (hi === least) hi = least + 1;
  return [least, data.unit === "%" && hi <= 100 && hi > 60 ? 100 : hi + (hi - least) * 0.08];
}

function timeTicks(u, splits) {
  const long = u.scales.x.max - u.scales.x.min > 36 * 3600;
  const fine = splits.length > 1 && splits[1] - splits[0] < 60;
  return splits.map((t) => {
    const s = clock(t);
    return long ? s.slice(0, 11).replace(" 00:00", "") : s.slice(6, fine ? 14 : 11);
  });
}

const kinds = { deploy: "--c0", refresh: "--c0", config: "--c4", incident: "--critical", joined: "--muted", left: "--muted", mark: "--in", raise: "--critical", clear: "--ok", limit: "--muted", out: "--out", in: "--in", critical: "--critical", warning: "--warning", unknown: "--muted", ok: "--ok" };

// overlay draws threshold lines and event marks over the curves.
function overlay(u, ink) {
  const { ctx, bbox } = u;
  const data = u.rondo;
  if (!data) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const px = devicePixelRatio;
  ctx.font = `${11 * px}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  const labels = [];
  // A label stands on its line, or where it would run into the one above it, in
  // that one's row.
  const card = colour("--card", "transparent"), quiet = colour("--muted", ink);
  let row = -Infinity, indent = 0;
  for (const t of [...data.thresholds ?? []].sort((a, b) => b.value - a.value)) {
    const y = Math.round(u.valToPos(t.value, "y", true));
    const level = colour(kinds[t.kind], ink);
    ctx.strokeStyle = level;
    ctx.lineWidth = px;
    ctx.setLineDash([6 * px, 4 * px]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const own = y - 4 * px < bbox.top + 10 * px ? y + 13 * px : y - 4 * px;
    if (own - row > 13 * px) [row, indent] = [own, 0];
    labels.push({ text: `${t.name} ${format(t.value, data.unit)}`, x: bbox.left + 6 * px + indent, y: row, ink: level });
    indent += ctx.measureText(labels.at(-1).text).width + 14 * px;
  }
  spans(u, data, ink);
  const all = crowds(u, data);
  for (const [i, c] of all.entries()) {
    ctx.strokeStyle = ctx.fillStyle = colour(kinds[c.kind], ink);
    const x = Math.round(c.x * px) + bbox.left;
    ctx.setLineDash([2 * px, 3 * px]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    marker(ctx, c.kind, x, bbox.top + 6 * px, 4 * px);
    const room = (all[i + 1] ? all[i + 1].x - 6 : bbox.width / px) - c.x - 8;
    const text = fitted(ctx, c, room * px);
    if (text) labels.push({ text, x: x + 8 * px, y: bbox.top + 10 * px, ink: quiet });
  }
  // The words last, with the card's colour around them, so that no line runs through.
  ctx.setLineDash([]);
  ctx.lineJoin = "round";
  for (const l of labels) {
    [ctx.strokeStyle, ctx.fillStyle, ctx.lineWidth] = [card, l.ink, 3 * px];
    ctx.strokeText(l.text, l.x, l.y);
    ctx.fillText(l.text, l.x, l.y);
  }
  ctx.restore();
}

// spans shades the time that an event lasted.
function spans(u, data, ink) {
  const { ctx, bbox } = u;
  for (const m of data.marks ?? []) {
    if (!m.end || m.n > 1) continue;
    const from = Math.max(u.valToPos(m.at, "x", true), bbox.left), to = Math.min(u.valToPos(m.end, "x", true), bbox.left + bbox.width);
    ctx.save();
    ctx.globalAlpha = 0.13;
    ctx.fillStyle = colour(kinds[m.kind], ink);
    ctx.fillRect(from, bbox.top, Math.max(to - from, devicePixelRatio), bbox.height);
    ctx.restore();
  }
}

// crowds merges marks that stand closer than a finger's width; where there are
// many, closer than the words that tell how many they are.
function crowds(u, data) {
  const few = crowdsWithin(u, data, 12);
  return few.length > 24 ? crowdsWithin(u, data, 96) : few;
}

function crowdsWithin(u, data, width) {
  const out = [];
  for (const m of [...data.marks ?? []].sort((a, b) => a.at - b.at)) {
    const x = Math.max(0, u.valToPos(m.at, "x"));
    if (x > u.bbox.width / devicePixelRatio || (m.end || m.at) < u.scales.x.min) continue;
    const c = out.at(-1);
    if (!c || x - c.x >= width) { out.push({ x, n: m.n, kind: m.kind, what: m.what, text: m.text, marks: [m] }); continue; }
    c.n += m.n;
    c.marks.push(m);
    if (c.kind !== m.kind) c.kind = "mark";
    if (c.what !== m.what) c.what = "event";
    c.text = `${c.n} ${c.what}${/(s|sh|ch|x)$/.test(c.what) ? "es" : "s"}`;
  }
  return out;
}

// fitted is as much of a crowd's words as there is room for, or how many it is.
function fitted(ctx, c, room) {
  const fits = (s) => ctx.measureText(s).width <= room;
  if (c.text.length <= 32 && fits(c.text)) return c.text;
  if (c.n > 1) return fits(String(c.n)) ? String(c.n) : "";
  let s = c.text.slice(0, 32);
  while (s.length > 5 && !fits(`${s}…`)) s = s.slice(0, -1);
  return s.length > 5 ? `${s}…` : "";
}

// near is what happened at a place of a graph.
function near(u, x) {
  const all = u.rondo?.marks?.length ? crowds(u, u.rondo) : [];
  const best = all.reduce((b, c) => (!b || Math.abs(c.x - x) < Math.abs(b.x - x) ? c : b), null);
  return best && Math.abs(best.x - x) <= 8 ? best : null;
}

// tell shows what happened under the pointer.
function tell(figure, u) {
  const c = u.cursor.left >= 0 && u.over.matches(":hover") ? near(u, u.cursor.left) : null;
  let told = figure.querySelector(".told");
  u.over.style.cursor = c ? "pointer" : "";
  if (!c) { told?.remove(); return; }
  const shown = c.marks.slice(0, 5);
  const text = shown.map((m) => [m.text, `${clock(m.at)}${m.end && m.n === 1 ? ` to ${clock(m.end)}` : ""}${m.who ? `, ${m.who}` : ""}`]);
  if (c.marks.length > shown.length) text.push([`and ${c.marks.length - shown.length} more`, ""]);
  told ??= figure.querySelector(".plot").appendChild(Object.assign(document.createElement("div"), { className: "told" }));
  told.replaceChildren(...text.flatMap(([what, when]) => [what, Object.assign(document.createElement("small"), { textContent: when })]));
  const left = u.over.offsetLeft + c.x;
  const right = left > figure.clientWidth / 2;
  told.style.left = right ? "auto" : `${left + 10}px`;
  told.style.right = right ? `${figure.querySelector(".plot").clientWidth - left + 10}px` : "auto";
}

// visit goes to the time of what was clicked at.
function visit(u) {
  const c = near(u, u.cursor.left);
  if (!c) return;
  const from = c.marks[0].at, to = Math.max(...c.marks.map((m) => m.end || m.at));
  const margin = Math.max(900, 2 * (to - from));
  zoomTo(from - margin, to + margin);
}

// marker tells events apart by shape: up, down, diamond, square, disc.
function marker(ctx, kind, x, y, r) {
  ctx.beginPath();
  if (kind === "out") { ctx.moveTo(x, y - r); ctx.lineTo(x + r, y + r); ctx.lineTo(x - r, y + r); }
  else if (kind === "in") { ctx.moveTo(x, y + r); ctx.lineTo(x + r, y - r); ctx.lineTo(x - r, y - r); }
  else if (kind === "deploy" || kind === "refresh") { const d = 1.25 * r; ctx.moveTo(x, y - d); ctx.lineTo(x + d, y); ctx.lineTo(x, y + d); ctx.lineTo(x - d, y); }
  else if (["critical", "warning", "unknown", "incident"].includes(kind)) ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else ctx.arc(x, y, r, 0, 7);
  ctx.fill();
}

// colour resolves a variable of the style sheet, whichever theme is on.
function colour(name, fallback) {
  const probe = document.getElementById("live") ?? document.body;
  const old = probe.style.color;
  probe.style.color = `var(${name ?? "--ink"})`;
  const c = getComputedStyle(probe).color;
  probe.style.color = old;
  return c || fallback;
}

// legend shows the values under the cursor, the last ones without it.
function legend(figure, u, idx) {
  const data = u.rondo;
  if (!data) return;
  figure.querySelectorAll(".legend li").forEach((li, i) => {
    const c = data.curves[i];
    const b = li.querySelector("b");
    if (!c || !b) return;
    if (idx == null) { b.textContent = format(c.avg.findLast((v) => v != null), data.unit); return; }
    const band = c.min && c.min[idx] != null && c.max[idx] !== c.min[idx];
    b.textContent = format(c.avg[idx], data.unit) + (band ? ` (${format(c.min[idx], data.unit)} – ${format(c.max[idx], data.unit)})` : "");
  });
  const caption = figure.querySelector("figcaption");
  let at = caption.querySelector(".at");
  if (idx == null) { at?.remove(); return; }
  at ??= caption.appendChild(Object.assign(document.createElement("span"), { className: "at" }));
  at.textContent = clock(data.times[idx]);
}
