"""The command line: one clear error message for what is not allowed, before anything is touched."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from ops.servers.software import ROOT
from simulate.__main__ import main
from simulate.arguments import options_of
from simulate.options import AnomalyOptions

NOT_ALLOWED = [
    ("--rate -1", "'-1' is not allowed: messages a second, 0 (flat out) or 0.001 to 1000000000"),
    ("--rate nan", "'nan' is not allowed: messages a second"),
    ("--count 0", "'0' is not allowed: a whole number of messages, 1 or more"),
    ("--count 1.5", "'1.5' is not allowed: a whole number of messages"),
    ("--count 5 --duration 3", "argument --duration: not allowed with argument --count"),
    ("--duration 5y", "'5y' is not allowed: a time above 0 and up to 10000d, such as 500ms, 30s, 5m, 2h, 3d"),
    ("--duration -5", "'-5' is not allowed: a time above 0"),
    ("--duration 5mm", "'5mm' is not allowed: a time above 0"),
    ("--duration 30ss", "'30ss' is not allowed: a time above 0"),
    ("--duration m", "'m' is not allowed: a time above 0"),
    ("--duration nan", "'nan' is not allowed: a time above 0"),
    ("--duration 0.1ms", "'0.1ms' is not allowed: a time above 0"),
    ("--duration 1e99999999", "'1e99999999' is not allowed: a time above 0"),
    ("--duration 1e-99999999", "'1e-99999999' is not allowed: a time above 0"),
    ("--duration 10000.001d", "'10000.001d' is not allowed: a time above 0"),
    ("--late-share 0.1 --late-by 2dh", "'2dh' is not allowed: a time above 0"),
    ("--profile square", "invalid choice: 'square' (choose from 'steady', 'burst', 'wave', 'ramp')"),
    ("--key colour", "invalid choice: 'colour' (choose from 'none', 'country', 'action')"),
    ("--malformed-share 1.1", "'1.1' is not allowed: a share of the messages from 0 to 1"),
    ("--malformed-share 0.6 --late-share 0.6", "are more than 1 together"),
    ("--late-by 5s", "--late-by needs --late-share"),
    ("--seed -1", "'-1' is not allowed: a whole number, 0 or more"),
    ("--start 2026-01-01", "'2026-01-01' is not allowed: a date with an offset, from 1970 to 2099"),
    ("--start 2100-01-01T00:00:00Z", "is not allowed: a date with an offset, from 1970 to 2099"),
    ("--start 1970-01-01T00:00:10Z --late-share 0.1", "would date visits before 1970"),
    ("--countries 0", "'0' is not allowed: 1 to 5000, or names with weights"),
    ("--countries USA=1,USA=2", "is not allowed: 1 to 5000, or names with weights"),
    ("--countries USA=5,DEU=2 --zipf 2", "--zipf is not allowed with weights in --countries"),
    ("--zipf 9", "'9' is not allowed: an exponent from 0 (all equal) to 5"),
    ("--actions ORDER", "'ORDER' is not allowed: names with weights above 0"),
    ("--speed 0", "'0' is not allowed: a factor from 0.001 to 1000000"),
    ("--rate 0 --profile wave", "--profile wave needs a --rate above 0"),
    ("--replay visits.csv --seed 4", "--seed is not allowed with --replay"),
    ("--replay visits.csv --late-share 0.1", "--late-share is not allowed with --replay"),
    ("--replay visits.csv --rate 5", "--rate with --replay can only be 0 (flat out)"),
    ("--countries world --zipf 2", "--zipf is not allowed with weights in --countries, nor with world"),
    ("--countries World", "'World' is not allowed: 1 to 5000, or names with weights such as USA=5,DEU=2.5, or world"),
    ("--history 0", "'0' is not allowed: a time above 0"),
    ("--history 24h --history-rate 0", "'0' is not allowed: visits a second, 0.001 to 1000000"),
    ("--history-rate 5", "--history-rate needs --history"),
    ("--history 24h --rate 0", "--rate 0 is not allowed with --history"),
    ("--history 24h --start 1970-01-01T23:00:00Z", "would date visits before 1970"),
    ("--replay visits.csv --history 24h", "--history is not allowed with --replay"),
    ("--max-gap 5s", "--max-gap needs --replay"),
    ("--replay visits.csv --max-gap 0", "'0' is not allowed: a time above 0"),
    ("--replay visits.csv --rate 0 --max-gap 5s", "--max-gap is not allowed with --replay and --rate 0"),
    ("--truth truth.json --dry-run", "it is not allowed with --dry-run"),
    ("--summary json --dry-run", "choose one"),
    ("--rat 5", "unrecognized arguments: --rat 5"),
]


@pytest.mark.parametrize(("arguments", "message"), NOT_ALLOWED, ids=[arguments for arguments, _ in NOT_ALLOWED])
def test_what_is_not_allowed_is_one_message(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the option and what is allowed, and the exit code is not 0."""
    with pytest.raises(SystemExit) as ended:
        options_of(arguments.split())
    output = capsys.readouterr().err
    assert ended.value.code == 2
    assert output.startswith("simulate: ")
    assert output.count("\n") == 1
    assert message in output


def test_a_truth_that_could_not_be_written_is_refused_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Not after an hour of visits."""
    assert main(["--truth", "/nowhere/truth.json"]) != 0
    assert "must be a file in a directory that can be written to" in capsys.readouterr().err


def test_the_defaults_are_a_steady_thousand_with_the_present_time() -> None:
    """There are no anomalies unless an option adds them."""
    options = options_of([])
    assert (options.rate, options.profile, options.speed) == (Fraction(1000), "steady", Fraction(1))
    assert (options.start_ms, options.count, options.duration_s) == (None, None, None)
    assert options.anomalies == AnomalyOptions()


def test_the_world_is_the_default_and_a_skew_needs_drawn_countries() -> None:
    """A skew alone has as many countries as before there was a world."""
    given = ["", "--countries world", "--zipf 2", "--countries 7"]
    assert [options_of(arguments.split()).countries for arguments in given] == [None, None, 20, 7]


def test_a_history_continues_live_only_when_live_visits_are_requested() -> None:
    """By --rate, --count or --duration."""
    given = ["", "--rate 20", "--count 5", "--duration 5s", "--profile wave"]
    assert [options_of(["--history", "24h", *arguments.split()]).live for arguments in given] == [
        *(False, True, True, True, False)
    ]
    assert options_of([]).live


def test_times_have_units() -> None:
    """Seconds without one."""
    times = {"60": 60, "1.5": Fraction(3, 2), "500ms": Fraction(1, 2), "5m": 300, "2h": 7200, "3d": 259_200}
    assert {text: options_of(["--duration", text]).duration_s for text in times} == times


def test_the_documentation_shows_the_uses_that_help_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/simulator.md and --help have the same six commands."""
    with pytest.raises(SystemExit):
        options_of(["--help"])
    in_help = commands_in(capsys.readouterr().out.partition("six common uses:")[2])
    assert len(in_help) == 6
    assert set(in_help) <= set(commands_in((ROOT / "docs/simulator.md").read_text(encoding="utf-8")))


def test_the_documentation_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """None is missing, none is invented."""
    with pytest.raises(SystemExit):
        options_of(["--help"])
    text = Path(ROOT / "docs/simulator.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
    assert rows == set(re.findall(r"--[a-z-]+", capsys.readouterr().out.partition("six")[0])) - {"--help"}


def commands_in(text: str) -> list[str]:
    """Return the simulator's commands in a text, each on one line."""
    joined = re.sub(r"\\\n\s*", "", text)
    return re.findall(r"^\s*(python -m simulate .*)$", joined, re.MULTILINE)
