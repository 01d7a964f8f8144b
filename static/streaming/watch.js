// Plays the receiver's live FLV. It asks again for as long as the page is open.
(() => {
  "use strict";

  const video = document.getElementById("watch");
  const said = document.getElementById("watch-said");
  if (!video || !said) return;
  const say = (what) => {
    const text = said.dataset[`text${what}`];
    if (said.textContent !== text) said.textContent = text;
    said.dataset.state = what.toLowerCase();
  };
  if (!window.mpegts?.isSupported()) {
    say("Unable");
    return;
  }
  mpegts.LoggingControl.enableAll = false;

  const RETRY_MS = 2000;
  const STILL_MS = 8000;
  const BEHIND_S = 4;
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
    say("Waiting");
    clearTimeout(waiting);
    waiting = setTimeout(begin, RETRY_MS);
  }
  function begin() {
    end();
    movedAt = performance.now();
    player = mpegts.createPlayer(
      { type: "flv", isLive: true, url: new URL(video.dataset.src, location.href).href },
      { enableWorker: false, lazyLoad: false, liveBufferLatencyChasing: true, liveBufferLatencyMaxLatency: BEHIND_S, liveBufferLatencyMinRemain: 1, autoCleanupSourceBuffer: true },
    );
    player.on(mpegts.Events.ERROR, again);
    player.on(mpegts.Events.LOADING_COMPLETE, again);
    player.attachMediaElement(video);
    player.load();
    // Refused without a gesture on some browsers: the controls are there for that.
    Promise.resolve(player.play()).catch(() => {});
  }

  const size = document.getElementById("watch-size");
  const behind = document.getElementById("watch-behind");
  setInterval(() => {
    const now = performance.now();
    if (video.currentTime !== lastTime) {
      lastTime = video.currentTime;
      movedAt = now;
      if (video.videoWidth) {
        size.textContent = `${video.videoWidth} × ${video.videoHeight}`;
        if (!video.paused) say("Playing");
      }
      const ranges = video.buffered;
      if (ranges.length) behind.textContent = `${Math.max(0, ranges.end(ranges.length - 1) - video.currentTime).toFixed(1)} s`;
    } else if (player && !video.paused && now - movedAt > STILL_MS) {
      again();
    }
  }, 500);

  begin();
  window.addEventListener("pagehide", end);
})();
