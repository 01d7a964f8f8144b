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
  const lang = document.documentElement.lang;
  const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const dayAndTime = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(lang, { weekday: "long", day: "numeric", month: "long" });
  const nearDay = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  const dayStart = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
  const dayName = (moment) => {
    const ago = Math.round((dayStart(new Date()) - dayStart(moment)) / 86400000);
    const [first, ...rest] = ago === 0 || ago === 1 ? nearDay.format(-ago, "day") : day.format(moment);
    return first.toLocaleUpperCase(lang) + rest.join("");
  };
  // <ol data-days>: items with a time, newest first, get a heading for each of the reader's days.
  const dayHeadings = (list) => {
    let last = "";
    for (const item of [...list.children]) {
      const moment = new Date(item.querySelector("time")?.dateTime ?? "");
      if (Number.isNaN(moment.valueOf())) continue;
      const name = dayName(moment);
      if (name === last) continue;
      last = name;
      const heading = document.createElement("li");
      heading.className = "event-day";
      heading.textContent = name;
      item.before(heading);
    }
    list.removeAttribute("data-days");
  };
  const localTimes = (root) => {
    for (const list of root.querySelectorAll("[data-days]")) dayHeadings(list);
    for (const node of root.querySelectorAll("time[data-local]")) {
      const moment = new Date(node.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      node.title = node.title || node.textContent.trim();
      node.textContent = (node.dataset.local === "time" ? clock : dayAndTime).format(moment);
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
  // <button data-toast="words">
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-toast]");
    if (button) toast(button.dataset.toast);
  });

  // A view may say something after a fragment request: HX-Trigger: {"toast": "Saved"}.
  document.addEventListener("toast", (event) => toast(event.detail.value ?? String(event.detail)));
  const isPoll = (event) => event.detail.elt.matches("[data-poll]");
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (isPoll(event)) lost();
      else toast(document.body.dataset.failedText);
    });
  }

  // -- live parts: [data-poll] beside hx-trigger="every 2s, refresh" --

  const POLL_TIMEOUT_MS = 8000;
  const tags = new Map();
  let heardAt = new Date();

  // What is unchanged is not sent again (304), and the page is left alone.
  document.addEventListener("htmx:configRequest", (event) => {
    if (!isPoll(event)) return;
    event.detail.timeout = POLL_TIMEOUT_MS;
    const tag = tags.get(event.detail.path);
    if (tag && !event.detail.headers["If-None-Match"]) event.detail.headers["If-None-Match"] = tag;
  });
  // Nobody looks at a hidden page: its polls wait.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && isPoll(event)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, elt, requestConfig } = event.detail;
    if (!elt.matches("[data-poll]")) return;
    // Signed out meanwhile: what came is another page, not a piece of this one.
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== new URL(requestConfig.path, location).pathname) {
      event.detail.shouldSwap = false;
      location.reload();
      return;
    }
    if (xhr.status !== 200 && xhr.status !== 304) return;
    heard();
    const tag = xhr.getResponseHeader("ETag");
    if (tag && xhr.status === 200) tags.set(requestConfig.path, tag);
    // A menu that is open, or words that are being marked, are not taken away under the hand.
    // What is in [data-together] comes with it.
    const marked = getSelection()?.type === "Range" ? getSelection().anchorNode : null;
    const parts = [elt, document.getElementById(elt.dataset.together)].filter(Boolean);
    if (elt.querySelector("details[open]") || (marked && parts.some((part) => part.contains(marked)))) {
      event.detail.shouldSwap = false;
      tags.delete(requestConfig.path);
    }
  });

  const connection = () => document.getElementById("connection");
  function lost() {
    const box = connection();
    if (!box || document.hidden) return;
    const said = box.dataset.text.replace("{time}", clock.format(heardAt));
    const words = box.querySelector("[data-said]");
    if (words.textContent !== said) words.textContent = said;
    box.hidden = false;
  }
  function heard() {
    heardAt = new Date();
    const box = connection();
    if (box) box.hidden = true;
  }

  // After sleep, a hidden tab or a lost line the truth is asked for at once, not at the next turn.
  const refresh = () => {
    if (document.hidden) return;
    for (const part of document.querySelectorAll("[data-poll]")) window.htmx?.trigger(part, "refresh");
  };
  document.addEventListener("visibilitychange", refresh);
  window.addEventListener("online", refresh);
  window.addEventListener("pageshow", (event) => event.persisted && refresh());
  window.addEventListener("offline", () => document.querySelector("[data-poll]") && lost());

  // Scrolled lists stay where they are when their part of the page is replaced.
  let scrolled = new Map();
  document.addEventListener("htmx:beforeSwap", () => {
    scrolled = new Map([...document.querySelectorAll("[data-keep-scroll]")].map((node) => [node.id, node.scrollTop]));
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const [id, top] of scrolled) {
      const node = document.getElementById(id);
      if (node && top) node.scrollTop = top;
    }
  });

  // -- choosing several: [data-bulk] in a form with [name=asset] boxes --

  const countPicked = () => {
    for (const bar of document.querySelectorAll("[data-bulk]")) {
      const picked = document.querySelectorAll(`input[form="${bar.dataset.bulk}"]:checked`).length;
      bar.classList.toggle("is-active", picked > 0);
      const said = bar.querySelector("[data-bulk-count]");
      said.dataset.none ??= said.textContent;
      const text = (picked === 0 ? said.dataset.none : picked === 1 ? said.dataset.one : said.dataset.many).replace("{n}", picked);
      if (said.textContent !== text) said.textContent = text;
      for (const button of bar.querySelectorAll("[data-bulk-needs]")) button.disabled = !picked;
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) {
      for (const box of document.querySelectorAll(`input[form="${event.target.dataset.pickAll}"]`)) box.checked = event.target.checked;
    }
    if (event.target.matches("[data-pick-all], input[type=checkbox][form]")) countPicked();
  });
  document.addEventListener("click", (event) => {
    const clear = event.target.closest("[data-pick-none]");
    if (!clear) return;
    for (const box of document.querySelectorAll(`input[form="${clear.dataset.pickNone}"], [data-pick-all]`)) box.checked = false;
    countPicked();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (!event.detail.successful || !form.matches("[data-clears]")) return;
    for (const box of document.querySelectorAll(`input[form="${form.id}"]`)) box.checked = false;
    countPicked();
  });
  document.documentElement.classList.add("js");
  for (const node of document.querySelectorAll("[data-bulk] [data-script-only]")) node.hidden = false;
  countPicked();
  document.addEventListener("htmx:load", countPicked);
  window.addEventListener("pageshow", countPicked);
})();
