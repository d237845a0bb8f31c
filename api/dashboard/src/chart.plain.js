// Takes the place of chart.js in a build without npm: the same bars without tooltips; the table has every number.
export const SERIES_MAX = 6;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const seriesColor = (i) => css(`--series-${i + 1}`);

export function stackedBars(canvas, { labels, series, axis }) {
  const { width, height } = canvas.parentElement.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  const sums = labels.map((_, day) => series.reduce((a, s) => a + s.values[day], 0));
  const top = Math.max(...sums, 1e-9);
  const left = 52, bottom = 20, step = (width - left) / labels.length;
  canvas.width = width * scale;
  canvas.height = height * scale;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = `11px ${css("--font")}`;
  const y = (value) => (height - bottom - 6) * (1 - value / top) + 6;
  for (const share of [0, 0.5, 1]) {
    pen.fillStyle = css("--muted");
    pen.textAlign = "right";
    pen.fillText(axis(Number((top * share).toPrecision(3))), left - 6, y(top * share) + 4);
    pen.fillStyle = css("--grid");
    pen.fillRect(left, y(top * share), width - left, 1);
  }
  labels.forEach((label, day) => {
    let below = 0;
    series.forEach((s, i) => {
      const from = y(below), to = y(below + s.values[day]);
      pen.fillStyle = s.other ? css("--series-other") : seriesColor(i);
      pen.fillRect(left + day * step + step * 0.12, to + 1, step * 0.76, Math.max(0, from - to - 1));
      below += s.values[day];
    });
    if (day % Math.ceil(labels.length / 16) === 0) {
      pen.fillStyle = css("--muted");
      pen.textAlign = "center";
      pen.fillText(label, left + (day + 0.5) * step, height - 4);
    }
  });
}
