// The page: the range it follows, the figures it has received, and those it shows; ?range=1h, ?kiosk and ?theme=dark set it up.

import { SeriesChart } from "./chart.js";
import { Feed } from "./feed.js";
import { showEmpty, showHealth, showState, stateOf } from "./health.js";
import { BoardTable } from "./table.js";

const FEWEST = 10;
const MOST = 1000;

const byId = (id) => document.getElementById(id);
const address = new URL(location.href);
const radios = [...document.querySelectorAll("#ranges input")];
const page = { range: "5m", all: {}, paused: false, link: "connecting", boards: null, status: null };
const painted = { boards: null, status: null };

document.documentElement.classList.toggle("kiosk", address.searchParams.has("kiosk"));
if (["dark", "light"].includes(address.searchParams.get("theme"))) document.documentElement.dataset.theme = address.searchParams.get("theme");
if (radios.some((radio) => radio.value === address.searchParams.get("range"))) page.range = address.searchParams.get("range");

const tables = {}; // by the boards' names, in their order
const chart = new SeriesChart(byId("plot"), byId("series-note"));
const feed = new Feed({
  onBoards: (boards) => update({ boards }),
  onStatus: (status) => update({ status }),
  onLink: (link) => link !== page.link && update({ link }),
});

/** Paused, the page keeps what is painted; where nothing was painted before the pause, the first reading still is, once. */
function update(changes) {
  Object.assign(page, changes);
  const boards = page.boards?.range === page.range ? page.boards : null; // null: of the range that was followed before
  const first = boards ? painted.boards?.range !== page.range : !painted.status;
  if (page.status && (first || !page.paused)) paint(page.status, boards);
  showState(stateOf(page), painted.status?.as_of && painted.boards?.as_of);
}

/** Boards are painted with a status or not at all: paused between the two, the page would have to change once more. */
function paint(status, boards) {
  if (status !== painted.status) {
    painted.status = status;
    showHealth(status);
    document.body.dataset.empty = String(showEmpty(status));
  }
  if (boards && boards !== painted.boards) {
    painted.boards = boards;
    showBoards(boards);
  }
}

/** Make a board's card and its link when it is first read: the database decides which boards there are. */
function addTable({ board: name, title }) {
  const section = document.createElement("section");
  section.className = "card board";
  section.id = name;
  section.setAttribute("aria-labelledby", `${name}-title`);
  const heading = document.createElement("h2");
  heading.id = `${name}-title`;
  heading.textContent = title;
  const count = document.createElement("p");
  count.className = "count";
  section.append(heading, count);
  const before = Object.keys(tables).length;
  if (before) section.classList.add(before === 1 ? "second" : "further");
  byId("boards").insertBefore(section, before ? null : byId("series"));
  tables[name] = new BoardTable(section, title, (all) => showAll(name, all));
  const link = document.createElement("a");
  link.id = `csv-${name}`;
  link.textContent = `${title} as CSV`;
  byId("data").append(link);
  link.href = csvOf(name);
}

const csvOf = (name) => `/api/v1/boards/${name}.csv?range=${page.range}`;

function showBoards(boards) {
  byId("boards").dataset.old = "false";
  for (const board of Object.values(boards)) if (board?.entries && !tables[board.board]) addTable(board);
  for (const [name, table] of Object.entries(tables)) {
    const all = page.all[name];
    if (!boards[name]) continue; // of another database, before a reset
    const board = all ? boards[name] : { ...boards[name], entries: boards[name].entries.slice(0, FEWEST) };
    table.render(board, { all, fewest: FEWEST });
  }
  chart.render(boards.series);
}

function follow() {
  for (const radio of radios) radio.checked = radio.value === page.range;
  for (const name of Object.keys(tables)) byId(`csv-${name}`).href = csvOf(name);
  feed.follow(page.range, Object.values(page.all).some(Boolean) ? MOST : FEWEST);
}

/** Until the new range's figures come, those shown are marked as another range's: the database may be unavailable. */
function markOld() {
  if (!painted.boards) return;
  if (painted.boards.range === page.range) return showBoards(painted.boards);
  byId("boards").dataset.old = "true";
  for (const table of Object.values(tables)) table.markOld();
  chart.markOld();
}

function showAll(name, all) {
  page.all[name] = all;
  if (page.paused) pause(false); // the painted reading has no more rows
  follow();
}

byId("ranges").addEventListener("change", (event) => {
  page.range = event.target.value;
  address.searchParams.set("range", page.range);
  history.replaceState(null, "", address);
  if (page.paused) pause(false);
  markOld();
  follow();
});

function pause(paused) {
  page.paused = paused;
  byId("pause").textContent = paused ? "Resume" : "Pause";
  update({});
}

byId("pause").addEventListener("click", () => pause(!page.paused));
follow();
