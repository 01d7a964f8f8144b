// Plays the ingest's live FLV, and asks again for as long as the page is open.
(() => {
  "use strict";
  const video = document.getElementById("watch");
  const said = document.getElementById("watch-said");
  const say = (what) => {
    said.textContent = said.dataset[`text${what}`];
    said.dataset.state = what.toLowerCase();
  };
  if (!window.mpegts?.isSupported()) {
    say("Unable");
    return;
  }
  mpegts.LoggingControl.enableAll = false;
  const RETRY_MS = 2000;
  const STILL_MS = 8000;
  let player = null;
  let waiting = 0;
  let lastTime = 0;
  let movedAt = 0;
  const end = () => {
    if (!player) return;
    const ended = player;
    player = null;
    ended.off(mpegts.Events.ERROR, again);
    ended.off(mpegts.Events.LOADING_COMPLETE, again);
    ended.destroy();
  };
  function again() {
    end();
    say(document.querySelector(".badge.live, .badge.testing, .badge.liveStarting, .badge.testStarting") ? "Waiting" : "Off");
    clearTimeout(waiting);
    waiting = setTimeout(begin, RETRY_MS);
  }
  function begin() {
    end();
    movedAt = performance.now();
    player = mpegts.createPlayer(
      { type: "flv", isLive: true, url: new URL(video.dataset.src, location.href).href },
      { enableWorker: false, lazyLoad: false, liveBufferLatencyChasing: true, liveBufferLatencyMaxLatency: 4, liveBufferLatencyMinRemain: 1, autoCleanupSourceBuffer: true },
    );
    player.on(mpegts.Events.ERROR, again);
    player.on(mpegts.Events.LOADING_COMPLETE, again);
    player.attachMediaElement(video);
    player.load();
    Promise.resolve(player.play()).catch(() => {});
  }
  setInterval(() => {
    const now = performance.now();
    if (video.currentTime !== lastTime) {
      lastTime = video.currentTime;
      movedAt = now;
      if (video.videoWidth && !video.paused) say("Playing");
    } else if (player && !video.paused && now - movedAt > STILL_MS) {
      again();
    }
  }, 500);
  begin();
  window.addEventListener("pagehide", end);
})();
