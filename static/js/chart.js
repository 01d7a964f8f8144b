// Draws <figure data-chart="times and lines"> with uPlot; the numbers are there as a table as well.
(() => {
  "use strict";

  const COLOURS = 4;
  const WHOLE = Array.from({ length: 10 }, (_, n) => [1, 2, 5].map((step) => step * 10 ** n)).flat();
  const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const lang = document.documentElement.lang;
  const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });
  const charts = new Map();

  const table = (figure, { times, lines }) => {
    const rows = figure.querySelector("[data-chart-rows]");
    if (rows.rows.length) return;
    // The newest first, as in every other list.
    for (let n = times.length - 1; n >= 0; n -= 1) {
      const row = rows.insertRow();
      row.insertCell().textContent = clock.format(times[n] * 1000);
      for (const values of lines) {
        const cell = row.insertCell();
        cell.className = "num";
        cell.textContent = values[n] === null ? "–" : number.format(values[n]);
      }
    }
  };

  // What the pointer is at; without one, what is known last.
  const say = (figure, { times, lines }, at) => {
    let n = at;
    if (n === null || n === undefined) {
      n = times.length - 1;
      while (n > 0 && lines.every((values) => values[n] === null)) n -= 1;
    }
    figure.querySelector("[data-chart-time]").textContent = clock.format(times[n] * 1000);
    figure.querySelectorAll("[data-chart-value]").forEach((value, one) => {
      const known = lines[one][n];
      value.textContent = known === null ? "–" : `${number.format(known)} ${figure.dataset.unit}`;
    });
  };

  const draw = (figure) => {
    const plot = figure.querySelector("[data-chart-plot]");
    const data = JSON.parse(figure.dataset.chart);
    table(figure, data);
    const ink = colour("--muted");
    const line = colour("--line");
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px sans-serif" };
    const only = data.lines.length === 1;
    charts.get(figure)?.destroy();
    plot.replaceChildren();
    charts.set(figure, new uPlot(
      {
        width: plot.clientWidth,
        height: plot.clientHeight,
        legend: { show: false },
        cursor: { y: false, points: { size: 7 } },
        scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1, low)] } },
        axes: [
          { ...axis, size: 30, values: (_, splits) => splits.map((at) => clock.format(at * 1000)) },
          { ...axis, size: 56, space: 28, incrs: WHOLE, values: (_, splits) => splits.map((at) => number.format(at)) },
        ],
        series: [{}, ...data.lines.map((_, n) => {
          const stroke = colour(`--chart-${(n % COLOURS) + 1}`);
          return { stroke, width: 2, dash: DASHES[n % COLOURS], fill: only ? `color-mix(in oklab, ${stroke} 14%, transparent)` : undefined };
        })],
        hooks: { setCursor: [(self) => say(figure, data, self.cursor.idx)] },
      },
      [data.times, ...data.lines],
      plot,
    ));
    say(figure, data, null);
  };

  const drawAll = () => {
    for (const [figure, chart] of charts) {
      if (figure.isConnected) continue;
      chart.destroy();
      charts.delete(figure);
    }
    for (const figure of document.querySelectorAll("[data-chart]")) draw(figure);
  };
  drawAll();
  // Those that came with a part of the page.
  document.addEventListener("htmx:load", (event) => {
    if (event.target.querySelector?.("[data-chart]") && ![...event.target.querySelectorAll("[data-chart]")].every((figure) => charts.has(figure))) drawAll();
  });
  // Widths and colours are drawn, not styled: they have to be drawn again.
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
