// The health of the figures: the state, the health strip, and what to do when there is nothing to show.

import { count, plural, rate, time } from "./format.js";

const byId = (id) => document.getElementById(id);

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The state and its reason, from the link to the server, the server's own status, and whether the viewer paused. */
export function stateOf({ link, status, paused }) {
  const [state, word, why] = unpaused(link, status);
  return paused ? { state: "paused", word: "Paused", why } : { state, word, why };
}

function unpaused(link, status) {
  if (link === "lost") return ["reconnecting", "Reconnecting", "The leaderboard's server does not respond; the figures are old."];
  if (link === "connecting" || !status || status.state === "starting") return ["connecting", "Connecting", null];
  if (status.state !== "live") return ["stale", "Stale", status.why];
  return ["live", link === "polling" ? "Live, every 2 s" : "Live", null];
}

export function showState(verdict, asOf) {
  byId("state").dataset.state = verdict.state;
  put(byId("state-word"), verdict.word);
  put(byId("as-of"), asOf ? `as of ${time(asOf)} UTC` : "");
  const why = byId("why");
  why.hidden = !verdict.why;
  put(why, verdict.why ?? "");
  document.body.dataset.fresh = { live: "yes", paused: "paused" }[verdict.state] ?? "no";
}

export function showHealth(status) {
  const figure = (value) => (value === null ? "–" : count(value));
  put(byId("visits"), figure(status.visits));
  put(byId("rejected"), figure(status.rejected));
  put(byId("rate"), status.visits_per_s === null ? "–" : rate(status.visits_per_s));
  put(byId("lag"), figure(status.lag));
  byId("lag").title = status.lag_why ?? "";
  showPartitions(status);
  showTwoWay(status);
}

function showPartitions({ partitions, lag_why: why }) {
  const list = byId("partitions");
  if (why) return put(list, "Kafka does not respond");
  if (list.children.length !== partitions.length) {
    list.replaceChildren(...partitions.map(() => document.createElement("span")));
  }
  partitions.forEach(({ partition, lag }, at) => {
    const chip = list.children[at];
    put(chip, `p${partition} ${lag === null ? "–" : count(lag)}`);
    chip.title = `partition ${partition}: ${lag === null ? "unknown" : plural(lag, "message waits", "messages wait")}`;
    chip.dataset.waits = String(Boolean(lag));
  });
}

function showTwoWay({ state, two_way_sum: sum }) {
  const badge = byId("two-way");
  const note = byId("two-way-note");
  const known = state === "live" || state === "stale";
  badge.dataset.state = known ? sum.state : sum.state === "equal" ? "unchecked" : sum.state;
  if (sum.state === "equal") {
    put(badge, known ? "✓ equal" : "not checked now");
    put(note, `${plural(sum.windows, "window")} at ${time(sum.checked_at)}`);
  } else if (sum.state === "different") {
    const { window_start: start, length_s: length, ...sums } = sum.difference;
    const visits = sum.boards.map((board) => `${sums[`visits_by_${board}`]} visits by ${board}`);
    put(badge, "✗ different");
    put(note, `window ${time(start)}, ${length} s: ${visits.join(", ")}`);
  } else {
    put(badge, "not checked yet");
    put(note, "the same total on every board, in every window");
  }
}

/** Show what to do when there are no visits; return whether it is shown. */
export function showEmpty(status) {
  const panel = byId("empty");
  const nothing = Boolean(status) && status.state !== "starting" && !status.messages;
  panel.hidden = !nothing;
  if (!nothing) return false;
  const [title, text] = {
    unprovisioned: ["Not provisioned yet", "The database has no tables for the leaderboard, or does not allow it to read them."],
    away: ["The database is unavailable", status.why],
  }[status.state] ?? [
    "No visits yet",
    status.lag ? `${plural(status.lag, "message waits", "messages wait")} in Kafka; none is counted yet. Start the dataflow.` : "Nothing has been counted. Once the dataflow runs, start the load generator.",
  ];
  put(byId("empty-title"), title);
  put(byId("empty-text"), text);
  byId("empty-command").hidden = !status.next_command;
  put(byId("empty-command").querySelector("code"), status.next_command ?? "");
  return true;
}
