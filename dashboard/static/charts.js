// Draws <canvas data-chart> from its data-rows: "stacked" bars of one value by series, or "ctr": impressions as bars, CTR as a line.
"use strict";
const COLORS = ["#0b66c3", "#e08a00", "#1a7f4b", "#8e44ad", "#b3261e", "#2aa1a1"];
const unique = (items) => [...new Set(items)].sort();

const stacked = (rows, { x, series, y }) => {
  const labels = unique(rows.map((row) => row[x]));
  const datasets = unique(rows.map((row) => row[series])).map((name, number) => ({
    label: name,
    backgroundColor: COLORS[number % COLORS.length],
    data: labels.map((label) =>
      rows.filter((row) => row[x] === label && row[series] === name).reduce((sum, row) => sum + row[y], 0)),
  }));
  return {
    type: "bar",
    data: { labels, datasets },
    options: { scales: { x: { stacked: true }, y: { stacked: true, beginAtZero: true, ticks: { precision: 0 } } } },
  };
};

const ctr = (rows, { x }) => ({
  data: {
    labels: rows.map((row) => row[x]),
    datasets: [
      { type: "line", label: "CTR %", yAxisID: "rate", borderColor: COLORS[1], backgroundColor: COLORS[1], tension: 0.25,
        spanGaps: true, data: rows.map((row) => (row.ctr === null ? null : row.ctr * 100)) },
      { type: "bar", label: "Impressions", backgroundColor: "#a9cbeb", data: rows.map((row) => row.impressions) },
      { type: "bar", label: "Clicks", backgroundColor: COLORS[0], data: rows.map((row) => row.clicks) },
    ],
  },
  options: {
    scales: {
      y: { beginAtZero: true, ticks: { precision: 0 }, title: { display: true, text: "events" } },
      rate: { beginAtZero: true, position: "right", grid: { drawOnChartArea: false }, title: { display: true, text: "CTR %" } },
    },
  },
});

const draw = (root) => {
  for (const canvas of root.querySelectorAll("canvas[data-chart]:not([data-drawn])")) {
    canvas.dataset.drawn = "yes";
    const rows = JSON.parse(canvas.dataset.rows);
    const config = { stacked, ctr }[canvas.dataset.chart](rows, canvas.dataset);
    config.options = { ...config.options, responsive: true, maintainAspectRatio: false, animation: false };
    new Chart(canvas, config);
  }
};
document.addEventListener("DOMContentLoaded", () => draw(document));
document.addEventListener("htmx:afterSwap", (event) => draw(event.target));
