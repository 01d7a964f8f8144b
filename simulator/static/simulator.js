// Keeps the part of the page that lives up to date, without moving the rest.
(() => {
  "use strict";
  const EVERY_MS = 3000;
  const refresh = async () => {
    const part = document.getElementById("live-part");
    if (!part || document.hidden || part.contains(document.activeElement)) return;
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live-part");
    if (fresh && fresh.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(fresh));
  };
  setInterval(() => refresh().catch(() => {}), EVERY_MS);
})();
