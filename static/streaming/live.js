// What moves between two polls: how long a stream has been on air, and how far its item is.
(() => {
  "use strict";

  const clockText = (seconds) => {
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor(seconds / 3600) % 24;
    const minutes = Math.floor(seconds / 60) % 60;
    const two = (value) => String(value).padStart(2, "0");
    const time = `${two(hours)}:${two(minutes)}:${two(Math.floor(seconds) % 60)}`;
    return days ? `${days} d ${time}` : time;
  };
  const lengthText = (ms) => {
    const seconds = Math.floor(ms / 1000);
    const rest = `${String(seconds % 60).padStart(2, "0")}`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes}:${rest}`;
    return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  };

  let swappedAt = performance.now();
  const tick = () => {
    for (const node of document.querySelectorAll("time[data-since]")) {
      const since = Date.parse(node.dateTime);
      if (Number.isNaN(since)) continue;
      node.textContent = clockText(Math.max(0, (Date.now() - since) / 1000));
      node.title ||= new Date(since).toLocaleString();
    }
    for (const node of document.querySelectorAll("[data-position]")) {
      const length = Number(node.dataset.length);
      const position = Math.min(length, Number(node.dataset.position) + performance.now() - swappedAt);
      node.textContent = lengthText(position);
      const bar = node.closest(".air-item")?.querySelector("progress");
      if (bar) bar.value = position;
    }
  };
  tick();
  setInterval(tick, 500);

  // A change of state is said once to screen readers; the poll itself says nothing.
  const live = () => document.getElementById("live");
  let shown = live()?.dataset.shown;
  document.addEventListener("htmx:load", () => {
    swappedAt = performance.now();
    tick();
    const now = live()?.dataset.shown;
    if (now && now !== shown) {
      shown = now;
      const said = document.getElementById("live-said");
      if (said) said.textContent = now;
    }
  });
})();
