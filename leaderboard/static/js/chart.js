// Visits per second over time, by uPlot; its colours are those of the page's own text and lines.

import { count, rate, time } from "./format.js";

/* global uPlot */

export class SeriesChart {
  constructor(place, note) {
    this.place = place;
    this.note = note;
    this.series = null;
    new ResizeObserver(() => this.#resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#rebuild());
  }

  render(series) {
    this.series = series;
    if (!series) {
      this.plot?.destroy();
      this.plot = null;
      this.place.setAttribute("aria-label", "No complete window yet");
      this.note.textContent = "no complete window yet";
      return;
    }
    if (this.plot) this.plot.setData(this.#data());
    else this.#rebuild();
    this.#describe();
  }

  /** Mark the curve: it is of another range than the chosen one. */
  markOld() {
    this.text = "not read yet";
    this.note.textContent = this.text;
    this.place.setAttribute("aria-label", "Not read yet");
  }

  #data() {
    const start = Date.parse(this.series.start) / 1000;
    const { bucket_s: bucket, visits } = this.series;
    return [visits.map((_, at) => start + at * bucket), visits.map((number) => number / bucket)];
  }

  #describe() {
    const [times, rates] = this.#data();
    const end = (times.at(-1) + this.series.bucket_s) * 1000;
    const label = `From ${time(times[0] * 1000)} to ${time(end)} UTC: lowest ${rate(Math.min(...rates))}, highest ${rate(Math.max(...rates))}, last ${rate(rates.at(-1))} visits per second`;
    this.place.setAttribute("aria-label", label);
    this.text = `per ${length(this.series.bucket_s)}, complete windows, up to ${time(end)}`;
    if (this.plot?.cursor.idx == null) this.note.textContent = this.text;
  }

  #rebuild() {
    this.plot?.destroy();
    this.plot = null;
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!this.series || !width || !height) return;
    const [line, fill, grid, text] = ["accent", "accent-soft", "line", "muted"].map((name) => resolved(this.place, name));
    const { fontSize, fontFamily } = getComputedStyle(this.place);
    const em = parseFloat(fontSize);
    const font = `${fontSize} ${fontFamily}`;
    const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width,
        height,
        tzDate: (second) => uPlot.tzDate(new Date(second * 1000), "Etc/UTC"),
        legend: { show: false },
        padding: [em * 0.7, em * 2, 0, 0],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: { y: { range: (_, lowest, highest) => [0, Math.max(1, highest * 1.1)] } },
        series: [{}, { stroke: line, fill, width: 2, points: { show: (plot) => plot.data[0].length === 1 } }],
        axes: [
          { ...axis, size: em * 2.4, space: em * 6, values: clock },
          { ...axis, size: em * 4, space: em * 2.7, values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? count(value) : value)) },
        ],
        hooks: { setCursor: [(plot) => this.#point(plot)] },
      },
      this.#data(),
      this.place,
    );
  }

  #point(plot) {
    const at = plot.cursor.idx;
    if (at == null) this.note.textContent = this.text ?? "";
    else this.note.textContent = `${time(plot.data[0][at] * 1000)}: ${rate(plot.data[1][at])} visits per second`;
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (this.plot && width && height) this.plot.setSize({ width, height });
    else this.#rebuild();
  }
}

/** Return a colour of the page as the canvas needs it. */
function resolved(place, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  place.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function clock(_plot, splits, _axis, _space, step) {
  return splits.map((second) => {
    const text = new Date(second * 1000).toISOString();
    return step >= 86400 ? text.slice(5, 10) : step >= 60 ? text.slice(11, 16) : text.slice(11, 19);
  });
}

function length(seconds) {
  for (const [name, unit] of [["day", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds % unit === 0) return `${seconds / unit} ${name}`;
  }
  return `${seconds} s`;
}
