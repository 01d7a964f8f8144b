// Shows only the fields that the chosen service needs.
(() => {
  "use strict";

  const form = document.querySelector("[data-stream-form]");
  const service = form?.querySelector("[name=service]");
  if (!service) return;
  const show = () => {
    for (const node of form.querySelectorAll("[data-for-service]")) node.hidden = node.dataset.forService !== service.value;
    for (const node of form.querySelectorAll("[data-not-for-service]")) node.hidden = node.dataset.notForService === service.value;
  };
  service.addEventListener("change", show);
  show();
})();
