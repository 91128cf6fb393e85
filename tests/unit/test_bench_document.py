"""RESULTS.md and its plots, drawn from a file of results alone."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from bench import document, results
from bench.__main__ import main
from bench.cases import SECTIONS, cases
from bench.document import notes_of, text_of
from bench.results import Results
from bench.sections import SECTIONS as SHOWN
from bench.sizes import Sizes
from bench.targets import TARGETS, reached
from process.errors import ExitCode, Fatal

FIXTURE = Path(__file__).with_name("bench_results.json")


@pytest.fixture
def found() -> Results:
    """Results of two rounds, of which kafka_streams and spark are left out, and threads_4 failed once."""
    return results.read(FIXTURE)


def row(text: str, first: str) -> list[str]:
    """Return the cells of the table row that begins so."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_targets_come_first_and_state_by_how_much_one_is_missed(found: Results) -> None:
    """What must be, the median, all rounds, and the verdict."""
    text = text_of(found)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[0] == "Targets"
    assert row(text, "latency p50 at 1,000 visits/s")[1:] == ["≤ 10 ms", "8.69 ms (8.6–8.77)", "met"]  # noqa: RUF001
    assert row(text, "time, 64 ÷ 4 partitions")[1:] == ["≤ 1.3", "1.5", "missed by 15.4 %"]
    assert row(text, "one process ÷ the floor with cart lines, visits/s")[1:] == ["≥ 0.7", "0.75", "met"]


def test_a_bound_is_met_by_itself(found: Results) -> None:
    """At least and at most include the bound, in both directions."""
    case = found.case("idle")
    assert case is not None
    for percent, met in ((2.4, True), (2.401, False)):
        case.measurements = [msgspec.structs.replace(case.measurements[0], figures={"cpu_percent": percent})]
        (idle,) = (each for each in reached(found) if each.target.cases == ("idle",))
        assert idle.met is met


def test_a_target_without_figures_was_not_measured(found: Results) -> None:
    """It is neither met nor missed."""
    found.cases = [case for case in found.cases if case.name != "junk"]
    assert row(text_of(found), "memory, 2 GB of compressed junk")[2:] == ["–", "not measured"]  # noqa: RUF001


def test_notes_explain_what_is_missed_and_nothing_else(found: Results) -> None:
    """A note stands below the heading with the name of a case; those of targets that are met are left out."""
    notes = notes_of("<!-- how -->\n\n## partitions_64\n\nEvery consumer\nhas a thread.\n\n## idle\n\nNothing.\n")
    assert notes == {"partitions_64": "Every consumer\nhas a thread.", "idle": "Nothing."}
    text = text_of(found, notes)
    assert "**partitions_64**: Every consumer" in text
    assert "Nothing." not in text


def test_every_note_belongs_to_a_case() -> None:
    """Of bench/notes.md."""
    notes = notes_of((document.FOLDER / "notes.md").read_text(encoding="utf-8"))
    assert notes.keys() <= {case.name for case in cases(Sizes())}


def test_failures_and_what_was_left_out_are_named(found: Results) -> None:
    """With their reasons."""
    text = text_of(found)
    assert "- threads_4: round 2: the dataflow was restarted while it was measured: no output" in text
    assert "- spark: no Java" in text


def test_results_of_other_sizes_carry_a_warning(found: Results) -> None:
    """Small sizes prove nothing: no target is met or missed by them."""
    warning = "these figures cannot be compared"
    assert warning not in text_of(found)
    found.sizes = Sizes().scaled(0.1)._asdict()
    assert warning in text_of(found)
    assert row(text_of(found), "time, 64 ÷ 4 partitions")[2:] == ["1.5", "not judged"]


def test_every_case_is_shown_with_its_command(found: Results) -> None:
    """Each section of the cases is one of the document; each target is taken from cases that exist."""
    assert {section.name for section in SHOWN} == set(SECTIONS)
    names = {case.name for case in cases(Sizes())}
    assert {name for target in TARGETS for name in target.cases} <= names
    text = text_of(found)
    for case in found.cases:
        assert re.search(rf"^\| {re.escape(case.title)} \|.* `{re.escape(case.command)}` \|$", text, re.MULTILINE)


def test_the_same_results_are_the_same_bytes(tmp_path: Path) -> None:
    """Document and plots; each plot is SVG, has text and no date, and the document shows all of them."""
    for folder in ("one", "two"):
        assert main(["report", "--results", str(FIXTURE), "--folder", str(tmp_path / folder)]) == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 6
    for file in files:
        written = (tmp_path / "one" / file).read_bytes()
        assert written == (tmp_path / "two" / file).read_bytes()
        if file.suffix == ".svg":
            assert ET.fromstring(written).tag.endswith("svg")  # noqa: S314 - our own
            assert b"<text" in written
            assert not re.search(rb"<dc:date>", written)
            assert f"]({file})" in (tmp_path / "one" / "RESULTS.md").read_text(encoding="utf-8")


def test_a_plot_that_is_not_drawn_any_more_is_removed(found: Results, tmp_path: Path) -> None:
    """Nothing of earlier results stays beside the new ones."""
    document.write(found, tmp_path)
    found.cases = [case for case in found.cases if case.section != "latency"]
    document.write(found, tmp_path)
    assert not (tmp_path / "plots" / "latency.svg").exists()


def test_results_without_figures_are_a_document_too(tmp_path: Path) -> None:
    """Every case failed: no plot, and every target was not measured."""
    nothing = Results(command="", date="", rounds=1, sizes={}, versions={}, machine=results.read(FIXTURE).machine)
    document.write(nothing, tmp_path)
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert text.count("not measured") == len(TARGETS)


@pytest.mark.parametrize(
    ("content", "message"), [(None, r"cannot be read \(No such file"), ("{}", "holds no results of a suite")]
)
def test_what_cannot_be_read_is_one_error_message(tmp_path: Path, content: str | None, message: str) -> None:
    """That names the file."""
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(Fatal, match=message) as raised:
        results.read(path)
    assert raised.value.code == ExitCode.CONFIG
    assert str(path) in raised.value.message


def test_results_are_written_as_they_are_read(found: Results, tmp_path: Path) -> None:
    """Whole, into a folder that is made."""
    results.write(found, tmp_path / "new" / "results.json")
    assert results.read(tmp_path / "new" / "results.json") == found
