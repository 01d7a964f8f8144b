// Small behaviours every page shares. No framework: each works on markup that is useful without it.
(() => {
  "use strict";

  // <button data-dialog="id"> opens <dialog id="id">; [data-close] inside closes it.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && typeof dialog.showModal === "function") {
        event.preventDefault();
        opener.closest("details[data-menu]")?.removeAttribute("open");
        dialog.showModal();
      }
      return;
    }
    const closer = event.target.closest("dialog [data-close]");
    if (closer) closer.closest("dialog").close();
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest("[data-notice]").remove();
    if (event.target instanceof HTMLDialogElement) event.target.close();
  });

  // A fragment with a <dialog> loaded into #dialog-slot opens at once.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "dialog-slot") return;
    for (const menu of menus()) menu.open = false;
    event.detail.target.querySelector("dialog")?.showModal();
  });

  // One open menu at a time; a click elsewhere or Escape closes it and gives the focus back.
  const menus = () => document.querySelectorAll("details[data-menu][open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // <form data-submit-once>: a second press while the first is under way does nothing.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.method === "dialog") return;
    if (form.dataset.sending) event.preventDefault();
    else if (form.method === "post" && !form.hasAttribute("hx-post")) {
      form.dataset.sending = "yes";
      window.addEventListener("pageshow", () => delete form.dataset.sending, { once: true });
    }
  });

  // <select data-autosubmit>, <input data-autosubmit>
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
  });

  // <button data-copy="text">; data-copied is what it says for a moment afterwards.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      toast(button.dataset.copied || "Copied");
    } catch {
      // Clipboard access can be refused; the text stays selectable on the page.
    }
  });

  // <time datetime data-local>: the reader's own time zone; the text on the page is UTC.
  const localTimes = (root) => {
    for (const node of root.querySelectorAll("time[data-local]")) {
      const moment = new Date(node.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      const options = node.dataset.local === "time" ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
      node.title = node.title || node.textContent.trim();
      node.textContent = new Intl.DateTimeFormat(document.documentElement.lang, options).format(moment);
      node.removeAttribute("data-local");
    }
  };
  localTimes(document);
  document.addEventListener("htmx:load", (event) => localTimes(event.target));
  document.addEventListener("htmx:oobAfterSwap", (event) => localTimes(event.target));

  function toast(text) {
    const item = document.createElement("div");
    item.className = "toast-item";
    item.textContent = text;
    document.getElementById("toasts").append(item);
    setTimeout(() => item.remove(), 5000);
  }
  window.streamer = { toast };

  // A view may say something after a fragment request: HX-Trigger: {"toast": "Saved"}.
  document.addEventListener("toast", (event) => toast(event.detail.value ?? String(event.detail)));
  // Polls fail quietly; what a person pressed does not.
  document.addEventListener("htmx:sendError", (event) => {
    if (!event.detail.elt.matches("[data-poll]")) toast(document.body.dataset.failedText);
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (!event.detail.elt.matches("[data-poll]")) toast(document.body.dataset.failedText);
  });
  // Nobody looks at a hidden page: its polls wait.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.elt.matches("[data-poll]")) event.preventDefault();
  });
})();
