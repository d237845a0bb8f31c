// Charts, drawn by Chart.js; colours come from the style sheet so that they follow light and dark. Every chart has a table.
import {
  BarController, BarElement, CategoryScale, Chart, Filler, LinearScale, LineController, LineElement, PointElement, Tooltip,
} from "chart.js";

Chart.register(BarController, BarElement, CategoryScale, Filler, LinearScale, LineController, LineElement, PointElement, Tooltip);

export const SERIES_MAX = 6;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const color = (name) => (name.startsWith("--") ? css(name) : name);
const alpha = (name, share) => { const c = color(name); return /^#[0-9a-f]{6}$/i.test(c) ? c + Math.round(share * 2.55).toString(16).padStart(2, "0") : c; };

// What a chart is: {labels, series: [{name, values, color, kind, dash, fill, other}], axis(v), format(v), title, stacked, total, top, whole}
//   kind "bar" (default), "line", "range" (fills to the series before it); null values are gaps
export class ChartBox {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.el = document.createElement("div");
    this.el.className = "chart";
    this.el.append(this.canvas);
  }

  draw(what) {
    this.canvas.setAttribute("aria-label", what.words);
    const config = { data: { labels: what.labels, datasets: what.series.map((s, i) => dataset(s, i, what)) }, options: options(what) };
    if (this.chart) {
      this.chart.data = config.data;
      this.chart.options = config.options;
      this.chart.update("none");
    } else if (this.canvas.isConnected) {
      this.chart = new Chart(this.canvas, { type: "bar", ...config });
    }
  }

  close() {
    this.chart?.destroy();
    this.chart = null;
  }
}

function dataset(s, i, what) {
  const own = color(s.color ?? (s.other ? "--series-other" : `--series-${i + 1}`));
  if (s.kind === "line" || s.kind === "range") {
    return {
      type: "line", label: s.name, data: s.values, borderColor: s.kind === "range" ? "transparent" : own, borderWidth: s.kind === "range" ? 0 : 2,
      borderDash: s.dash ?? [], pointRadius: s.points ? 2.5 : 0, pointBackgroundColor: own, pointHitRadius: 8, pointHoverRadius: s.kind === "range" ? 0 : 4, tension: 0,
      backgroundColor: s.fill ? alpha(s.color ?? `--series-${i + 1}`, s.fill) : "transparent", fill: s.kind === "range" ? "-1" : s.fill ? "origin" : false,
      order: s.kind === "range" ? 3 : 1, spanGaps: false,
    };
  }
  return {
    type: "bar", label: s.name, data: s.values, backgroundColor: own, borderColor: css("--surface"), borderWidth: { top: 1.5 }, borderSkipped: false, order: 2,
    borderRadius: i === what.series.length - 1 ? { topLeft: 3, topRight: 3 } : 0, maxBarThickness: 26, categoryPercentage: 0.86, barPercentage: 0.94,
  };
}

function options(what) {
  const ticks = { color: css("--muted"), font: { family: css("--font"), size: 11 } };
  const title = (text) => ({ display: Boolean(text), text, color: css("--muted"), font: { family: css("--font"), size: 11 }, padding: { bottom: 2, top: 2 } });
  const stacked = what.stacked ?? true;
  return {
    responsive: true, maintainAspectRatio: false, animation: false, interaction: { mode: "index", intersect: false },
    scales: {
      x: { stacked, grid: { display: false }, border: { color: css("--line") }, title: title(what.titleX),
        ticks: { ...ticks, maxRotation: 0, autoSkipPadding: 14 } },
      y: { stacked, beginAtZero: true, border: { display: false }, grid: { color: css("--grid") }, title: title(what.title),
        suggestedMax: what.top, ticks: { ...ticks, maxTicksLimit: 6, precision: what.whole ? 0 : undefined, callback: (v, i, all) => what.axis(v, all.every((t) => Number.isInteger(t.value))) } },
    },
    plugins: {
      tooltip: {
        backgroundColor: css("--tip"), titleColor: css("--tip-ink"), bodyColor: css("--tip-ink"), footerColor: css("--tip-ink"),
        padding: 10, cornerRadius: 6, boxWidth: 10, boxHeight: 10, boxPadding: 4,
        bodyFont: { family: css("--font") }, titleFont: { family: css("--font") }, footerFont: { family: css("--font") },
        filter: (item) => item.raw > 0 && !what.series[item.datasetIndex]?.silent,
        callbacks: {
          title: (items) => (items[0] && what.tip ? what.tip(items[0].dataIndex) : items[0]?.label),
          label: (item) => ` ${item.dataset.label}: ${what.format(item.raw)}`,
          footer: (items) => (what.total && items.length > 1 ? `Total: ${what.format(items.reduce((a, i) => a + i.raw, 0))}` : ""),
        },
      },
    },
  };
}
