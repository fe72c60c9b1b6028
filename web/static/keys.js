// Keyboard shortcuts; the sheet in the layout lists them.

const typing = (target) => target instanceof Element && target.closest("input, textarea, select, [contenteditable]");
const follow = (id) => document.getElementById(id)?.click();

export function enhanceKeys() {
  const sheet = document.getElementById("sheet");
  const picker = document.getElementById("picker");
  const help = document.getElementById("help");
  help.hidden = false;
  help.addEventListener("click", () => sheet.showModal());

  let go = 0; // when g was pressed
  const actions = {
    "?": () => sheet.showModal(),
    "[": () => follow("earlier"),
    "]": () => follow("later"),
    "z": () => follow("out"),
    "r": () => follow("live"),
    "/": () => document.querySelector("[data-search]")?.focus(),
    "t": () => { picker.open = true; picker.querySelector("a")?.focus(); },
    "g": () => { go = Date.now(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      picker.open = false;
      if (typing(event.target)) event.target.blur();
      return;
    }
    if (typing(event.target) || sheet.open) return;
    const page = Date.now() - go < 1500 && document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
    go = 0;
    const action = page ? () => page.click() : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
