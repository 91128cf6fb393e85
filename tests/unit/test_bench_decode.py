"""The benchmark of the decoder."""

import json

import pytest

from bench.__main__ import main
from bench.decode import BATCH, SHAPES, messages
from operators.decode import VisitDecoder
from operators.rules import VisitRules
from settings import Settings


@pytest.mark.parametrize("name", SHAPES)
def test_every_message_is_a_visit(name: str) -> None:
    """What is rejected would be measured as fast."""
    decoder = VisitDecoder(VisitRules.of(Settings.from_environment(SHAPES[name])))
    visits, rejections = decoder.values(messages(name))
    assert (len(visits), rejections) == (BATCH, {})


def test_it_prints_every_shape(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, with the difference from the usual one."""
    assert main(["decode", "--rounds", "1"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["case"] for line in lines] == list(SHAPES)
