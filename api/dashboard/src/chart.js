// Stacked bars by day, drawn by Chart.js; colours come from the style sheet so that they follow light and dark.
import { Chart, BarController, BarElement, CategoryScale, LinearScale, Tooltip } from "chart.js";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Tooltip);

export const SERIES_MAX = 6;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const seriesColor = (i) => css(`--series-${i + 1}`);

// series: [{name, values: Number[]}], labels: String[]; format(value) for axis and tooltip.
export function stackedBars(canvas, { labels, series, format, axis }) {
  const data = {
    labels,
    datasets: series.map((s, i) => ({
      label: s.name,
      data: s.values,
      backgroundColor: s.other ? css("--series-other") : seriesColor(i),
      borderColor: css("--surface"),
      borderWidth: { top: 1.5 },
      borderSkipped: false,
      borderRadius: i === series.length - 1 ? { topLeft: 3, topRight: 3 } : 0,
      maxBarThickness: 26,
      categoryPercentage: 0.86,
      barPercentage: 0.94,
    })),
  };
  const ticks = { color: css("--muted"), font: { family: css("--font"), size: 11 } };
  const options = {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    interaction: { mode: "index", intersect: false },
    scales: {
      x: { stacked: true, grid: { display: false }, border: { color: css("--line") }, ticks: { ...ticks, maxRotation: 0, autoSkipPadding: 12 } },
      y: { stacked: true, beginAtZero: true, border: { display: false }, grid: { color: css("--grid") },
        ticks: { ...ticks, maxTicksLimit: 5, callback: (v) => axis(v) } },
    },
    plugins: {
      tooltip: {
        backgroundColor: css("--tip"), titleColor: css("--tip-ink"), bodyColor: css("--tip-ink"), footerColor: css("--tip-ink"),
        padding: 10, cornerRadius: 6, boxWidth: 10, boxHeight: 10, boxPadding: 4,
        bodyFont: { family: css("--font") }, titleFont: { family: css("--font") },
        filter: (item) => item.raw > 0,
        callbacks: {
          label: (item) => ` ${item.dataset.label}: ${format(item.raw)}`,
          footer: (items) => (items.length > 1 ? `Total: ${format(items.reduce((a, i) => a + i.raw, 0))}` : ""),
        },
      },
    },
  };
  if (canvas.chart) {
    canvas.chart.data = data;
    canvas.chart.options = options;
    canvas.chart.update("none");
  } else {
    canvas.chart = new Chart(canvas, { type: "bar", data, options });
  }
}
