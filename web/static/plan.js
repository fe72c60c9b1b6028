// How a query is answered is asked for when somebody opens it: telling takes
// as long as answering.
export function enhancePlan() {
  const plan = document.getElementById("plan");
  if (!plan || plan.open) return;
  plan.addEventListener("toggle", async () => {
    if (!plan.open || !plan.dataset.url) return;
    const place = plan.lastElementChild;
    place.textContent = "asking";
    try {
      const answer = await fetch(plan.dataset.url);
      const text = await answer.text();
      if (!answer.ok) throw new Error(text);
      const holder = document.createElement("template");
      holder.innerHTML = text;
      place.replaceWith(holder.content);
      delete plan.dataset.url;
    } catch (err) {
      place.textContent = `no answer: ${err.message}`;
    }
  });
}
