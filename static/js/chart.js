// Draws <figure data-chart="id of the data"> with uPlot; the numbers are there as a table as well.
(() => {
  "use strict";

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const lang = document.documentElement.lang;
  const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });
  const charts = [];

  const table = (figure, points) => {
    const rows = figure.querySelector("[data-chart-rows]");
    for (const [seconds, value] of points) {
      const row = rows.insertRow();
      row.insertCell().textContent = clock.format(seconds * 1000);
      const cell = row.insertCell();
      cell.className = "num";
      cell.textContent = value === null ? "–" : number.format(value);
    }
  };

  const draw = (figure) => {
    const plot = figure.querySelector("[data-chart-plot]");
    const data = document.getElementById(figure.dataset.chart);
    if (!plot || !data) return;
    const points = JSON.parse(data.textContent);
    if (!figure.querySelector("[data-chart-rows]").rows.length) table(figure, points);
    const ink = colour("--color-base-content");
    const line = colour("--line");
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px sans-serif" };
    const time = figure.querySelector("[data-chart-time]");
    const value = figure.querySelector("[data-chart-value]");
    plot.replaceChildren();
    charts.push(new uPlot(
      {
        width: plot.clientWidth,
        height: plot.clientHeight,
        legend: { show: false },
        cursor: { y: false, points: { size: 7 } },
        scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1, low)] } },
        axes: [
          { ...axis, values: (_, splits) => splits.map((at) => clock.format(at * 1000)) },
          { ...axis, size: 56, values: (_, splits) => splits.map((at) => number.format(at)) },
        ],
        series: [{}, { label: figure.dataset.label, stroke: colour("--color-primary"), width: 2, fill: `color-mix(in oklab, ${colour("--color-primary")} 14%, transparent)` }],
        hooks: {
          setCursor: [(self) => {
            const at = self.cursor.idx;
            const known = at !== null && at !== undefined && points[at][1] !== null;
            time.textContent = known ? clock.format(points[at][0] * 1000) : "";
            value.textContent = known ? `${number.format(points[at][1])} ${figure.dataset.unit}` : "";
          }],
        },
      },
      [points.map((point) => point[0]), points.map((point) => point[1])],
      plot,
    ));
  };

  const drawAll = () => {
    for (const chart of charts.splice(0)) chart.destroy();
    for (const figure of document.querySelectorAll("[data-chart]")) draw(figure);
  };
  drawAll();
  // Widths and colours are drawn, not styled: they have to be drawn again.
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
