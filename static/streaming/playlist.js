// Dragging items into order. The arrow buttons do the same from the keyboard, without this script.
(() => {
  "use strict";

  const attach = () => {
    for (const list of document.querySelectorAll("[data-sortable]")) {
      if (list.sortable) continue;
      list.sortable = Sortable.create(list, {
        handle: "[data-grip]",
        animation: 120,
        ghostClass: "is-dragged",
        onEnd: (event) => {
          if (event.oldIndex === event.newIndex) return;
          const item = [...list.querySelectorAll("[data-item]")].map((row) => row.dataset.item);
          htmx.ajax("POST", list.dataset.orderUrl, { target: "#items", swap: "outerHTML", values: { item, from: document.getElementById("items-from").value } });
        },
      });
    }
  };
  attach();
  document.addEventListener("htmx:load", attach);

  // After a move the list is new; the focus goes back to the button that was pressed.
  let pressed = "";
  document.addEventListener("htmx:beforeRequest", (event) => {
    pressed = event.detail.requestConfig?.triggeringEvent?.submitter?.id || "";
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    // What was pressed is gone, as an item that was taken out: the way back is the next thing.
    if (event.detail.target?.id === "items" && !document.getElementById(pressed) && document.activeElement === document.body) {
      pressed = "";
      (document.getElementById("undo") ?? document.querySelector("#items button:not([disabled])"))?.focus();
      return;
    }
    if (!pressed) return;
    const button = document.getElementById(pressed);
    pressed = "";
    if (!button) return;
    if (!button.disabled) button.focus();
    else button.parentElement.querySelector("button:not([disabled])")?.focus();
  });
})();
