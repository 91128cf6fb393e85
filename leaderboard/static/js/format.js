// Figures, durations and times for display. Times are UTC: so are the windows.

const whole = new Intl.NumberFormat("en");
const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

export const count = (number) => whole.format(number);

export const percent = (share) => `${(share * 100).toFixed(1)}%`;

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** Seconds in their two largest units: 17s, 12m 05s, 4h 12m, 3d 04h. */
export function duration(seconds) {
  let at = units.findIndex(([, unit]) => seconds >= unit);
  if (at < 0) at = units.length - 1;
  const [name, unit] = units[at];
  const text = `${count(Math.floor(seconds / unit))}${name}`;
  if (at + 1 === units.length) return text;
  const [smallerName, smaller] = units[at + 1];
  const rest = Math.floor((seconds % unit) / smaller);
  return `${text} ${String(rest).padStart(2, "0")}${smallerName}`;
}

/** Visits per second: small rates keep a decimal. */
export const rate = (perSecond) => (perSecond < 10 ? String(Math.round(perSecond * 10) / 10) : count(Math.round(perSecond)));

/** A moment as hh:mm:ss, with its date when that is not today's. */
export function time(moment, now = new Date()) {
  const text = new Date(moment).toISOString();
  const clock = text.slice(11, 19);
  return text.slice(0, 10) === now.toISOString().slice(0, 10) ? clock : `${text.slice(0, 10)} ${clock}`;
}

const invisible = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

/** A name from untrusted input: two that differ in blanks or control characters never look the same. */
export function name(entry) {
  const shown = entry
    .replace(invisible, "\ufffd")
    .replace(/^\s+|\s+$/gu, (blanks) => "\u2423".repeat(blanks.length));
  return /^[\p{Cf}\s]*$/u.test(shown) ? "\ufffd".repeat(Math.max(1, [...entry].length)) : shown;
}
