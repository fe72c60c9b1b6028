// The theme: as the system has it, light, or dark; kept in localStorage.
const order = ["auto", "light", "dark"];
const names = { auto: "as the system", light: "light", dark: "dark" };

export function enhanceTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const show = () => {
    const now = root.dataset.theme ?? "auto";
    button.setAttribute("aria-label", `Theme: ${names[now]}`);
    button.title = `Theme: ${names[now]}`;
  };
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(root.dataset.theme ?? "auto") + 1) % order.length];
    if (next === "auto") {
      delete root.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      root.dataset.theme = next;
      localStorage.setItem("theme", next);
    }
    show();
    document.dispatchEvent(new Event("rondo:theme"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("rondo:theme")));
}
