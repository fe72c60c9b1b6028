// The live tail: new lines come on top. While the reader has scrolled or
// selects, they wait behind a button, so that nothing jumps.

const keep = 400; // lines shown; older ones leave at the bottom

// normal writes a row as the browser would.
function normal(row) {
  const holder = document.createElement("template");
  holder.innerHTML = row;
  return holder.innerHTML;
}

export function enhanceTail() {
  const button = document.getElementById("tail");
  if (!button) return;
  const list = document.getElementById("lines");
  const state = document.getElementById("tail-state");
  const fresh = document.getElementById("fresh");
  let source = null;
  let waiting = []; // rows that have come and are not shown, oldest first
  let catching = false;

  const reading = () => list.getBoundingClientRect().top < 0 || list.scrollTop > 0 || (getSelection() && !getSelection().isCollapsed && list.contains(getSelection().anchorNode));
  const show = () => {
    const holder = document.createElement("template");
    holder.innerHTML = waiting.reverse().join("");
    for (const row of holder.content.children) row.classList.add("new");
    list.prepend(holder.content);
    while (list.children.length > keep) list.lastElementChild.remove();
    document.getElementById("lines-none")?.remove();
    waiting = [];
    fresh.hidden = true;
  };
  // What was stored between the page's rendering and the stream's beginning, or
  // while it was broken, is in the page as it is now.
  const catchUp = async () => {
    catching = true;
    try {
      const answer = await fetch(location.href);
      const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("lines");
      if (!answer.ok || !now || reading()) return;
      const have = new Set([...now.children].map((row) => row.outerHTML));
      waiting = waiting.filter((row) => !have.has(normal(row)));
      list.replaceChildren(...document.adoptNode(now).children);
      if (list.children.length) document.getElementById("lines-none")?.remove();
    } catch {
      // The stream goes on; what it missed shows at the next reload.
    } finally {
      catching = false;
    }
  };
  const stop = () => {
    source?.close();
    source = null;
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Live tail";
    state.textContent = "";
  };
  const start = () => {
    source = new EventSource(button.dataset.url);
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Stop tail";
    state.textContent = "connecting";
    source.onopen = () => { state.textContent = "waiting for lines"; catchUp(); };
    source.onerror = () => { state.textContent = source?.readyState === EventSource.CLOSED ? "the server refused" : "reconnecting"; };
    source.onmessage = (event) => {
      const { row, dropped } = JSON.parse(event.data);
      waiting.push(row);
      if (waiting.length > keep) waiting.shift();
      state.textContent = dropped ? `${dropped} lines too fast to show` : "live";
      if (!reading()) return;
      fresh.textContent = `${waiting.length} new`;
      fresh.hidden = false;
    };
  };

  button.hidden = false;
  button.addEventListener("click", () => (source ? stop() : start()));
  fresh.addEventListener("click", () => { show(); list.scrollTop = 0; list.scrollIntoView({ block: "nearest" }); });
  // Lines are shown a few times a second, however fast they come.
  setInterval(() => { if (waiting.length && !catching && !reading()) show(); }, 250);
  start();
}
