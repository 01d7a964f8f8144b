// Resumable uploads of several files, two at a time. Without this script the form posts them plainly.
(() => {
  "use strict";
  const form = document.querySelector("form[data-upload]");
  if (!form || !window.tus || !window.tus.isSupported) return;

  const PIECE_BYTES = 8 * 1024 * 1024; // The server keeps one piece in a file until it has all of it.
  const AT_ONCE = 2;
  const input = form.querySelector('input[type="file"]');
  const list = form.querySelector("[data-upload-list]");
  const template = form.querySelector("template[data-upload-row]");
  const text = (name) => form.dataset[`text${name}`];
  const limit = Number(form.dataset.limit);
  const token = form.querySelector('[name="csrfmiddlewaretoken"]').value;
  const waiting = [];
  let active = 0;

  for (const node of form.querySelectorAll("[data-plain-only]")) node.hidden = true;
  for (const node of form.querySelectorAll("[data-script-only]")) node.hidden = false;
  form.classList.add("has-script");

  const spoken = (bytes) => {
    const units = ["B", "KB", "MB", "GB", "TB"];
    let unit = 0;
    while (bytes >= 1000 && unit < units.length - 1) {
      bytes /= 1000;
      unit += 1;
    }
    return `${bytes.toFixed(unit === 0 || bytes >= 100 ? 0 : 1)} ${units[unit]}`;
  };

  function reason(error) {
    const answer = error.originalResponse;
    if (answer) {
      try {
        const problem = JSON.parse(answer.getBody());
        if (problem.title) return problem.title;
      } catch {
        // Not one of our answers: a proxy's page, or none at all.
      }
    }
    return text("Failed");
  }

  let refreshing;
  function refreshList() {
    clearTimeout(refreshing);
    refreshing = setTimeout(() => {
      if (document.getElementById("assets-box") && window.htmx) {
        window.htmx.ajax("GET", window.location.href, { target: "#assets-box", select: "#assets-box", swap: "outerHTML" });
      }
    }, 400);
  }

  function add(file) {
    const row = template.content.firstElementChild.cloneNode(true);
    const bar = row.querySelector("progress");
    const said = row.querySelector("[data-said]");
    const amount = row.querySelector("[data-amount]");
    const cancel = row.querySelector("[data-cancel]");
    row.querySelector("[data-name]").textContent = file.name;
    bar.setAttribute("aria-label", file.name);
    amount.textContent = spoken(file.size);
    said.textContent = text("Waiting");
    list.hidden = false;
    list.append(row);

    const entry = { ended: false, started: false, upload: null };
    const end = (words, failed) => {
      if (entry.ended) return;
      entry.ended = true;
      said.textContent = words;
      said.classList.toggle("text-error", failed);
      cancel.remove();
      if (entry.started) active -= 1;
      next();
      refreshList();
    };

    if (file.size === 0) return end(text("Empty"), true);
    if (limit && file.size > limit) return end(text("Large"), true);

    cancel.addEventListener("click", async () => {
      const index = waiting.indexOf(entry);
      if (index >= 0) waiting.splice(index, 1);
      try {
        if (entry.upload) await entry.upload.abort(true);
      } catch {
        // The server forgets it after a day by itself.
      }
      end(text("Cancelled"), false);
      setTimeout(() => row.remove(), 2000);
    });

    entry.start = async () => {
      entry.started = true;
      active += 1;
      said.textContent = text("Sending");
      entry.upload = new window.tus.Upload(file, {
        endpoint: form.dataset.endpoint,
        chunkSize: PIECE_BYTES,
        retryDelays: [0, 1000, 3000, 5000, 10000, 20000, 30000],
        removeFingerprintOnSuccess: true,
        headers: { "X-CSRFToken": token },
        metadata: { filename: file.name },
        onShouldRetry: (error, attempt, options) => {
          const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
          const again = status === 0 || status === 409 || status === 423 || (status >= 500 && status !== 507);
          if (again) said.textContent = text("Retry");
          return again;
        },
        onProgress: (sent, total) => {
          bar.value = total ? (100 * sent) / total : 0;
          said.textContent = text("Sending");
          amount.textContent = `${spoken(sent)} / ${spoken(total)}`;
        },
        onError: (error) => end(reason(error), true),
        onSuccess: () => {
          bar.value = 100;
          end(text("Done"), false);
          setTimeout(() => {
            row.remove();
            if (!list.children.length) list.hidden = true;
          }, 4000);
        },
      });
      try {
        const earlier = await entry.upload.findPreviousUploads();
        if (entry.ended) return;
        if (earlier.length) {
          entry.upload.resumeFromPreviousUpload(earlier[0]);
          said.textContent = text("Resumed");
        }
      } catch {
        // Without local storage an upload starts from the beginning.
      }
      entry.upload.start();
    };
    waiting.push(entry);
    return next();
  }

  function next() {
    while (active < AT_ONCE && waiting.length) waiting.shift().start();
  }

  function addAll(files) {
    for (const file of files) add(file);
  }

  function takeChosen() {
    addAll(input.files);
    input.value = "";
  }
  input.addEventListener("change", takeChosen);
  // On a slow line files can be chosen before this script has come.
  if (input.files.length) takeChosen();

  const drop = form.querySelector("[data-drop]");
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    drop.classList.add("is-over");
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) drop.classList.remove("is-over");
  });
  window.addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  window.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    drop.classList.remove("is-over");
    addAll(event.dataTransfer.files);
  });

  window.addEventListener("beforeunload", (event) => {
    if (active || waiting.length) event.preventDefault();
  });
})();
