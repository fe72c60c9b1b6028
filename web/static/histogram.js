// Drag over the histogram to zoom; a click on a bar is an ordinary link.
import { zoomTo } from "./range.js";

export function enhanceHistograms() {
  let from = null, area = null, box = null, dragged = false;
  const at = (event) => {
    const r = area.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - r.left) / r.width));
  };
  document.addEventListener("pointerdown", (event) => {
    const hist = event.target.closest(".hist");
    area = hist?.querySelector(".bars");
    if (!area?.contains(event.target) || event.button !== 0) { area = null; return; }
    from = at(event);
    dragged = false;
  });
  document.addEventListener("pointermove", (event) => {
    if (!area) return;
    const to = at(event);
    if (Math.abs(to - from) < 0.01 && !box) return;
    dragged = true;
    box ??= area.firstElementChild.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
    box.setAttribute("class", "selected");
    box.setAttribute("x", 1000 * Math.min(from, to));
    box.setAttribute("width", 1000 * Math.abs(to - from));
    box.setAttribute("height", 100);
  });
  document.addEventListener("pointerup", (event) => {
    if (!area) return;
    const { start, end } = area.closest(".hist").dataset;
    const to = at(event);
    box?.remove();
    if (dragged) zoomTo(+start + from * (end - start), +start + to * (end - start));
    area = box = null;
  });
  document.addEventListener("click", (event) => {
    if (dragged && event.target.closest(".hist")) event.preventDefault(); // the drag was no click
    dragged = false;
  }, true);
  document.addEventListener("dragstart", (event) => { if (event.target.closest?.(".hist")) event.preventDefault(); });
}
