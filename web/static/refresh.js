// A live page fetches its own URL and takes over what changed: there is one
// rendering, the server's. Focus, scroll and selection stay where they are.
import { updateCharts } from "./charts.js";

const every = 3000;
let paused = false;
let busy = false;

export function startRefresh() {
  if (document.body.dataset.live !== "true") return;
  const button = document.getElementById("live");
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(!paused));
    button.querySelector(".word").textContent = paused ? "Paused" : "Live";
    if (!paused) refresh();
  });
  setInterval(() => { if (!paused && !document.hidden) refresh(); }, every);
  document.addEventListener("visibilitychange", () => { if (!paused && !document.hidden) refresh(); });
}

async function refresh() {
  if (busy) return;
  busy = true;
  const button = document.getElementById("live");
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(15000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    swap(fresh);
    updateCharts(fresh);
    Object.assign(document.body.dataset, { start: fresh.body.dataset.start, end: fresh.body.dataset.end });
    document.body.classList.remove("lost");
    if (!paused) button.querySelector(".word").textContent = "Live";
  } catch {
    document.body.classList.add("lost"); // what is shown grows old: it is dimmed
    button.querySelector(".word").textContent = "No answer";
  } finally {
    busy = false;
  }
}

// swap replaces the parts that are marked for it and differ.
function swap(fresh) {
  for (const old of document.querySelectorAll("[data-swap]")) {
    const next = fresh.getElementById(old.id);
    for (const d of old.querySelectorAll("details[id][open]")) fresh.getElementById(d.id)?.setAttribute("open", "");
    if (!next || old.innerHTML === next.innerHTML || held(old)) continue;
    const focused = old.contains(document.activeElement) ? path(document.activeElement, old) : null;
    const scrolls = [...old.querySelectorAll(".scroll, ol, ul")].map((e) => [e.scrollTop, e.scrollLeft]);
    old.replaceChildren(...document.adoptNode(next).childNodes);
    [...old.querySelectorAll(".scroll, ol, ul")].forEach((e, i) => { if (scrolls[i]) [e.scrollTop, e.scrollLeft] = scrolls[i]; });
    for (const b of old.querySelectorAll("[data-copy]")) b.hidden = false;
    if (focused) find(focused, old)?.focus({ preventScroll: true });
  }
}

// held says whether someone is selecting text in the element.
function held(element) {
  const s = getSelection();
  return s && !s.isCollapsed && element.contains(s.anchorNode);
}

// path and find name an element by its place, to focus its successor.
function path(element, root) {
  const steps = [];
  for (let e = element; e !== root; e = e.parentElement) steps.unshift([...e.parentElement.children].indexOf(e));
  return steps;
}

function find(steps, root) {
  return steps.reduce((e, i) => e?.children[i], root);
}
