"""Draw bench/RESULTS.md and its plots from the results of `python -m bench suite`, and from nothing else.

What stands in the way of a target that is missed is written by hand, in bench/notes.md, below the name of the case;
it is included.

Examples:
    python -m bench report
    python -m bench report --results /tmp/results.json --folder /tmp
"""

import argparse
import re
from pathlib import Path

from bench import readings, results
from bench.charts import text_of as number_of
from bench.figures import Spread
from bench.process import ROOT
from bench.results import CaseResult, Results
from bench.sections import SECTIONS, Column, Section, plots_of
from bench.sizes import Sizes
from bench.targets import Reached, reached

FOLDER = ROOT / "bench"
_NOTES = FOLDER / "notes.md"
_DASH = "–"  # noqa: RUF001 - between the ends of a range


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add from where, and to where."""
    text = "results of a suite (default: bench/results.json)"
    parser.add_argument("--results", type=Path, default=FOLDER / "results.json", metavar="FILE", help=text)
    text = "where RESULTS.md and plots/ are written (default: bench)"
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="FOLDER", help=text)


def main(arguments: argparse.Namespace) -> int:
    """Read, draw, write."""
    write(results.read(arguments.results), arguments.folder)
    return 0


def write(found: Results, folder: Path) -> None:
    """Write RESULTS.md and the plots; plots of cases that were not measured are removed."""
    from bench import plots

    drawn = {plots.draw(plot, folder / "plots") for plot in plots_of(found)}
    for path in (folder / "plots").glob("*.svg"):
        if path not in drawn:
            path.unlink()
    (folder / "RESULTS.md").write_text(text_of(found, notes_of(_NOTES.read_text(encoding="utf-8"))), encoding="utf-8")


def notes_of(text: str) -> dict[str, str]:
    """Return the notes by case: each stands below a heading with the case's name."""
    parts = re.split(r"^## (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: note.strip() for name, note in zip(parts[::2], parts[1::2], strict=True)}


def text_of(found: Results, notes: dict[str, str] | None = None) -> str:
    """Return the document."""
    drawn = {plot.name for plot in plots_of(found)}
    parts = [
        _head(found),
        _targets(reached(found), notes or {}, judged=_usual(found)),
        *(_section(found, section, drawn) for section in SECTIONS if any(_cases_of(found, section))),
        _left_out(found),
        _versions(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(found: Results) -> str:
    machine = found.machine
    lines = [
        "# Results",
        "",
        f"`{found.command}`, {found.date[:10]}, on {machine['cpu']}, {machine['cores']} cores, {machine['memory']},"
        f" {machine['kernel']}; Kafka and MariaDB on the same machine.",
        "",
        "A figure is the median of its rounds, with the smallest and the largest in brackets where they differ;"
        " [README.md](README.md) says how each is measured. Drawn by `python -m bench report` from results.json.",
    ]
    if not _usual(found):
        lines += ["", "**The sizes are not the usual ones: these figures cannot be compared with others.**"]
    return "\n".join(lines)


def _usual(found: Results) -> bool:
    return found.sizes == Sizes()._asdict()


def _targets(rows: list[Reached], notes: dict[str, str], *, judged: bool) -> str:
    """Return the table of targets; figures of small sizes are not judged by it."""
    lines = ["## Targets", "", "| target | must be | reached | |", "|---|---|---|---|"]
    lines += [f"| {row.target.what} | {_bound(row)} | {_reached(row)} | {_verdict(row, judged)} |" for row in rows]
    missed = [row.target.cases[0] for row in rows if judged and row.met is False]
    explained = [f"**{name}**: {notes[name]}" for name in dict.fromkeys(missed) if name in notes]
    if explained:
        lines += ["", "What stands in the way of those that are missed:", "", *("\n\n".join(explained).splitlines())]
    return "\n".join(lines)


def _bound(row: Reached) -> str:
    sign = "≥" if row.target.at_least else "≤"
    return f"{sign} {row.target.bound:g}{row.target.unit}"


def _reached(row: Reached) -> str:
    return _cell(row.spread, row.target.unit)


def _verdict(row: Reached, judged: bool) -> str:
    if row.met is None:
        return "not measured"
    if not judged:
        return "not judged"
    return "met" if row.missed_by is None else f"missed by {number_of(row.missed_by * 100)} %"


def _section(found: Results, section: Section, drawn: set[str]) -> str:
    cases = _cases_of(found, section)
    columns = [column for column in section.columns if any(case.values(column.figure) for case in cases)]
    header = ["case", *(column.title for column in columns), "rounds", "command"]
    lines = [f"## {section.title}", "", section.about, "", *_table(header, [_row(case, columns) for case in cases])]
    reading = readings.of(section.name, found)
    lines += ["", reading] if reading else []
    for name in section.plots:
        lines += ["", f"![{name}](plots/{name}.svg)"] if name in drawn else []
    failures = [f"- {case.name}: {failure}" for case in cases for failure in case.failures]
    lines += ["", "Failed:", "", *failures] if failures else []
    return "\n".join(lines)


def _cases_of(found: Results, section: Section) -> list[CaseResult]:
    return [case for case in found.cases if case.section == section.name]


def _row(case: CaseResult, columns: list[Column]) -> list[str]:
    cells = [_cell(case.spread(column.figure), "") for column in columns]
    return [case.title, *cells, str(len(case.measurements)), f"`{case.command}`"]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _cell(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return _DASH
    low, middle, high = map(number_of, spread)
    return f"{middle}{unit}" if low == high else f"{middle}{unit} ({low}{_DASH}{high})"


def _left_out(found: Results) -> str:
    if not found.left_out:
        return ""
    lines = [f"- {name}: {reason}" for name, reason in found.left_out.items()]
    return "\n".join(["## Left out", "", *lines])


def _versions(found: Results) -> str:
    named = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return f"## Versions\n\n{named}."
