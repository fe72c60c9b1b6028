// Pages are complete without this: it makes them move. Each module enhances
// one thing and leaves the page as it is where its part is missing.
import { enhanceCharts } from "./charts.js";
import { enhanceHistograms } from "./histogram.js";
import { enhanceKeys } from "./keys.js";
import { enhancePlan } from "./plan.js";
import { enhanceTail } from "./tail.js";
import { enhanceTheme } from "./theme-button.js";
import { startRefresh } from "./refresh.js";

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
  const picker = document.getElementById("picker");
  if (picker.open && !picker.contains(event.target)) picker.open = false;
});

enhanceTheme();
enhanceKeys();
enhanceHistograms();
enhanceTail();
enhancePlan();
await enhanceCharts();
startRefresh();
