// Takes the place of chart.js in a build without npm: the same charts without tooltips; the table has every number.
export const SERIES_MAX = 6;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const LEFT = 58, BOTTOM = 22, TOP = 8;

export class ChartBox {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.el = document.createElement("div");
    this.el.className = "chart";
    this.el.append(this.canvas);
    this.again = new ResizeObserver(() => this.what && this.paint());
    this.again.observe(this.el);
  }

  draw(what) {
    this.canvas.setAttribute("aria-label", what.words);
    this.what = what;
    this.paint();
  }

  close() {
    this.again.disconnect();
  }

  paint() {
    const { labels, series, axis, stacked = true, top: least = 0 } = this.what;
    const { width, height } = this.el.getBoundingClientRect();
    if (!width || !height) return;
    const bars = series.filter((s) => s.kind === undefined || s.kind === "bar");
    const lines = series.filter((s) => s.kind === "line");
    const at = (s, i) => s.values[i] ?? 0;
    const sums = labels.map((_, i) => bars.reduce((a, s) => (stacked ? a + at(s, i) : Math.max(a, at(s, i))), 0));
    const highest = Math.max(...sums, ...series.flatMap((s) => s.values.map((v) => v ?? 0)), least, 1e-9);
    const power = 10 ** Math.floor(Math.log10(highest / 4)), unit = [1, 2, 2.5, 5, 10].find((n) => n * power * 4 >= highest) * power;
    const ticks = Array.from({ length: Math.ceil(highest / unit - 1e-9) + 1 }, (_, i) => Number((i * unit).toPrecision(6))), top = ticks[ticks.length - 1];
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = `11px ${css("--font")}`;
    const step = (width - LEFT) / labels.length;
    const y = (value) => (height - BOTTOM - TOP) * (1 - value / top) + TOP;
    const x = (i) => LEFT + (i + 0.5) * step;
    for (const tick of ticks) {
      pen.fillStyle = css("--muted");
      pen.textAlign = "right";
      pen.fillText(axis(tick, ticks.every(Number.isInteger)), LEFT - 6, y(tick) + 4);
      pen.fillStyle = css("--grid");
      pen.fillRect(LEFT, y(tick), width - LEFT, 1);
    }
    const colorOf = (s) => css(s.color ?? (s.other ? "--series-other" : `--series-${series.indexOf(s) + 1}`));
    labels.forEach((label, i) => {
      let below = 0;
      for (const s of bars) {
        const from = y(below), to = y(below + at(s, i));
        pen.fillStyle = colorOf(s);
        pen.fillRect(x(i) - step * 0.38, to + 1, step * 0.76, Math.max(0, from - to - 1));
        if (stacked) below += at(s, i);
      }
      if (i % Math.ceil(labels.length / Math.max(2, Math.floor(width / 60))) === 0) {
        pen.fillStyle = css("--muted");
        pen.textAlign = "center";
        pen.fillText(label, x(i), height - 6);
      }
    });
    for (const s of lines) {
      pen.strokeStyle = colorOf(s);
      pen.lineWidth = 2;
      pen.setLineDash(s.dash ?? []);
      pen.beginPath();
      let open = false;
      s.values.forEach((v, i) => {
        if (v === null || v === undefined) open = false;
        else if (open) pen.lineTo(x(i), y(v));
        else { pen.moveTo(x(i), y(v)); open = true; }
      });
      pen.stroke();
    }
    pen.setLineDash([]);
  }
}
