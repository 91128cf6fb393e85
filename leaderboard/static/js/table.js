// One board as a real table. Rows keep their element while their entry stays, so that a change of rank can glide.

import { count, duration, name, percent, plural, time } from "./format.js";
import { draw, sparkline } from "./spark.js";

const HEADINGS = [
  ["rank", "Rank"],
  ["change", "Change"],
  ["entry", "Name"],
  ["duration", "Duration"],
  ["visits", "Visits"],
  ["share", "Share"],
  ["trend", "Trend"],
];
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

// Where no font has flags (Windows has none), the two symbols of a flag are two boxes or letters, as wide as two.
const pen = document.createElement("canvas").getContext("2d");
const drawsFlags = pen.measureText("🇳🇴").width < 1.5 * pen.measureText("🇳").width;

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export class BoardTable {
  /** `section` gets the table; `onAll(all)` is called when the viewer requests all rows, or only the first again. */
  constructor(section, title, onAll) {
    this.rows = new Map();
    this.note = section.querySelector(".count");
    this.scroller = make("div", "scroller");
    const table = make("table");
    table.append(make("caption", "hidden", `${title} by duration`), this.#head(title));
    this.body = table.createTBody();
    this.scroller.append(table);
    this.more = make("button", "button more");
    this.more.type = "button";
    this.more.hidden = true; // until there are rows
    this.more.setAttribute("aria-expanded", "false");
    this.more.addEventListener("click", () => onAll(this.more.getAttribute("aria-expanded") !== "true"));
    section.append(this.scroller, this.more);
  }

  #head(title) {
    const head = make("thead");
    const row = head.insertRow();
    for (const [key, text] of HEADINGS) {
      const cell = make("th", key);
      cell.scope = "col";
      cell.append(make("span", key === "rank" || key === "change" ? "hidden" : "", key === "entry" ? title : text));
      row.append(cell);
    }
    return head;
  }

  /** Show a board; `all`: whether all of its rows were requested. */
  render(board, { all, fewest }) {
    const before = new Map([...this.rows].map(([entry, row]) => [entry, row.element.offsetTop]));
    const compared = board.entries.some((row) => row.previous_rank !== null);
    const highest = board.entries[0]?.share || 1;
    const kept = new Map();
    for (const standing of board.entries) {
      const row = this.rows.get(standing.entry) ?? this.#row(standing);
      this.#fill(row, standing, { compared, highest });
      kept.set(standing.entry, row);
    }
    for (const [entry, row] of this.rows) if (!kept.has(entry)) row.element.remove();
    [...kept.values()].forEach((row, at) => {
      if (this.body.rows[at] !== row.element) this.body.insertBefore(row.element, this.body.rows[at] ?? null);
    });
    this.rows = kept;
    this.#glide(before);
    const since = board.complete_from ? `, complete from ${time(board.complete_from)} on` : "";
    this.note.textContent = `${plural(board.entries_total, "entry", "entries")}, ${duration(board.duration_s)} in ${plural(board.visits, "visit")}${since}`;
    this.more.hidden = board.entries_total <= fewest;
    this.more.textContent = all ? `Show the first ${fewest}` : `Show ${board.entries_total > 1000 ? "1,000 of " : "all "}${count(board.entries_total)}`;
    this.more.setAttribute("aria-expanded", String(all));
  }

  /** Mark the rows: they are of another range than the chosen one. */
  markOld() {
    this.note.textContent = "not read yet";
  }

  #row(standing) {
    const element = make("tr");
    const cells = {};
    for (const [key] of HEADINGS) {
      const cell = make(key === "entry" ? "th" : "td", key);
      if (key === "entry") cell.scope = "row";
      cells[key] = cell;
      element.append(cell);
    }
    const label = make("bdi", "name", name(standing.name ?? standing.entry));
    if (standing.flag) {
      const flag = make("span", "flag", `${standing.flag} `);
      flag.setAttribute("aria-hidden", "true");
      flag.hidden = !drawsFlags;
      label.prepend(flag);
    }
    cells.entry.title = standing.name ? `${standing.name} (${standing.entry})` : name(standing.entry);
    const bar = make("span", "bar");
    const filled = make("span");
    bar.setAttribute("aria-hidden", "true");
    bar.append(filled);
    cells.entry.append(label, bar);
    const time = make("span");
    const under = make("span", "under");
    cells.duration.append(time, under);
    const svg = sparkline();
    cells.trend.append(svg);
    return { element, cells, filled, time, under, svg };
  }

  #fill(row, standing, { compared, highest }) {
    const { cells } = row;
    cells.rank.textContent = standing.rank;
    this.#change(cells.change, standing, compared);
    row.time.textContent = duration(standing.duration_s);
    row.under.textContent = plural(standing.visits, "visit");
    cells.visits.textContent = count(standing.visits);
    cells.share.textContent = percent(standing.share);
    row.filled.style.inlineSize = `${Math.max(0.5, (standing.share / highest) * 100)}%`;
    const trend = standing.trend ?? [];
    const label = trend.length ? `from ${duration(trend[0])} to ${duration(trend.at(-1))}, highest ${duration(Math.max(...trend))}` : "no trend yet";
    draw(row.svg, trend, label);
  }

  #change(cell, { rank, previous_rank: previous }, compared) {
    const moved = previous === null ? 0 : previous - rank;
    cell.dataset.way = moved > 0 ? "up" : moved < 0 ? "down" : "none";
    const text = moved ? `${moved > 0 ? "up" : "down"} ${Math.abs(moved)}` : compared && previous === null ? "new" : "";
    const shown = moved ? `${moved > 0 ? "▲" : "▼"}${Math.abs(moved)}` : text;
    if (cell.textContent === shown + (moved ? text : "")) return;
    const mark = make("span", "", shown);
    cell.replaceChildren(mark);
    if (moved) {
      mark.setAttribute("aria-hidden", "true");
      cell.append(make("span", "hidden", text));
    }
  }

  #glide(before) {
    if (reducedMotion.matches || document.hidden) return;
    for (const [entry, { element }] of this.rows) {
      const from = before.get(entry);
      const moved = from === undefined ? 0 : from - element.offsetTop;
      if (moved) {
        element.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], { duration: 450, easing: "cubic-bezier(.2,.7,.2,1)" });
      } else if (from === undefined && before.size) {
        element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 450 });
      }
    }
  }
}
