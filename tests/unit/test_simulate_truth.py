"""Truth files: written whole, read back the same, added up when several simulators ran at once."""

from pathlib import Path

import msgspec
import pytest

from oracle.truth import CartDigest, Carts, Total, Truth, Unresolved, add, load, write
from process.errors import Fatal

NOON_S = 1_767_268_800


def _carts(*lines: bytes) -> Carts:
    digest = CartDigest()
    digest.add(lines)
    return digest.carts()


def _truth(**changes: object) -> Truth:
    truth = Truth(
        topic="visits",
        topic_id="id",
        window_lengths_s=(5,),
        naive_timezone=None,
        messages={0: 3, 1: 1},
        visits=3,
        rejected={"invalid": 1},
        carts={0: _carts(b"a", b"b"), 1: _carts()},
        totals=[Total(5, NOON_S, "action", "ORDER", 7, 3), Total(5, NOON_S, "country", "USA", 7, 3)],
        unresolved=[],
    )
    return msgspec.structs.replace(truth, **changes)


def test_a_truth_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """Nothing else is left in the directory."""
    truth = _truth(unresolved=[Unresolved(1, "{}", "timed out")])
    write(truth, tmp_path / "truth.json")
    write(truth, tmp_path / "truth.json")
    assert load(tmp_path / "truth.json") == truth
    assert [path.name for path in tmp_path.iterdir()] == ["truth.json"]


def test_truths_of_several_simulators_add_up() -> None:
    """Rows that both have are one row; where a partition has carts of both, their order is unknown."""
    other = _truth(
        messages={1: 2},
        visits=2,
        rejected={"malformed": 1},
        carts={0: _carts(b"c"), 1: _carts(b"d")},
        totals=[Total(5, NOON_S, "action", "ORDER", 1, 1), Total(5, NOON_S + 5, "country", "USA", 2, 1)],
    )
    added = add([_truth(), other])
    assert (added.messages, added.visits, added.rejected) == ({0: 3, 1: 3}, 5, {"invalid": 1, "malformed": 1})
    assert added.totals == [
        Total(5, NOON_S, "action", "ORDER", 8, 4),
        Total(5, NOON_S, "country", "USA", 7, 3),
        Total(5, NOON_S + 5, "country", "USA", 2, 1),
    ]
    either_way = _carts(b"c", b"a", b"b")
    assert added.carts[0] == msgspec.structs.replace(either_way, in_order=None)
    assert added.carts[1] == _carts(b"d")


def test_a_single_truth_is_unchanged() -> None:
    """Its order is known."""
    assert add([_truth()]) == _truth()


@pytest.mark.parametrize("change", [{"topic_id": "another"}, {"window_lengths_s": (5, 60)}, {"naive_timezone": "UTC"}])
def test_truths_of_different_pipelines_do_not_add_up(change: dict[str, object]) -> None:
    """The message names what differs."""
    with pytest.raises(Fatal, match=next(iter(change))):
        add([_truth(), _truth(**change)])


def test_carts_differ_in_order_and_in_content() -> None:
    """A line lost, duplicated, changed or moved is detected."""
    lines = (b"a", b"b", b"c")
    assert _carts(*lines) == _carts(*lines)
    assert _carts(b"b", b"a", b"c").in_any_order == _carts(*lines).in_any_order
    for others in ((b"a", b"b"), (b"a", b"b", b"b"), (b"a", b"b", b"d"), (b"b", b"a", b"c")):
        assert _carts(*others) != _carts(*lines)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"version": 1}'])
def test_another_file_is_not_a_truth_file(content: bytes, tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(Fatal, match=r"other\.json is not a truth file"):
        load(path)
    with pytest.raises(Fatal, match=r"gone\.json is not a truth file"):
        load(tmp_path / "gone.json")
