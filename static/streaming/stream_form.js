// Shows only the fields that the chosen service needs.
(() => {
  "use strict";

  const form = document.querySelector("[data-stream-form]");
  const service = form?.querySelector("[name=service]");
  if (!service) return;
  // A word that ends in a dash stands for all that begin with it.
  const fits = (words) => words.split(" ").some((word) => (word.endsWith("-") ? service.value.startsWith(word) : service.value === word));
  const show = () => {
    for (const node of form.querySelectorAll("[data-for-service]")) node.hidden = !fits(node.dataset.forService);
    for (const node of form.querySelectorAll("[data-not-for-service]")) node.hidden = fits(node.dataset.notForService);
  };
  service.addEventListener("change", show);
  show();
})();
