"""The lines of outputs, such as of abandoned carts."""

import csv
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.lines import csv_lines, output_lines
from operators.outputs import outputs_of
from operators.visit import Visit
from settings import Settings
from tests.unit.samples import decode_batch, raw_batch, visit_bytes

NOON = datetime(2026, 11, 23, 12, 0, 0, 123_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("visit", "line"),
    [
        (Visit(NOON, "USA", "SHOPPING_CART", 17), "2026-11-23T12:00:00.123Z,USA,SHOPPING_CART,17"),
        (
            Visit(NOON.replace(tzinfo=timezone(timedelta(hours=-5))), "Korea, North", "SHOPPING_CART", 0),
            '2026-11-23T17:00:00.123Z,"Korea, North",SHOPPING_CART,0',
        ),
        (Visit(NOON, 'the "USA"', "SHOPPING_CART", 1), '2026-11-23T12:00:00.123Z,"the ""USA""",SHOPPING_CART,1'),
        (Visit(NOON.replace(microsecond=0), "Perú", "X", 1), "2026-11-23T12:00:00.000Z,Perú,X,1"),
    ],
)
def test_cart_line(visit: Visit, line: str) -> None:
    """UTC, truncated to milliseconds, not rounded, Z, RFC 4180 quoting."""
    assert csv_lines([visit]) == [line]


@given(country=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=64))
def test_any_name_survives_the_csv(country: str) -> None:
    """A reader of RFC 4180 gets the name back."""
    row = next(csv.reader(io.StringIO(csv_lines([Visit(NOON, country, "SHOPPING_CART", 3)])[0])))
    assert row == ["2026-11-23T12:00:00.123Z", country, "SHOPPING_CART", "3"]


def test_carts_of_a_batch_in_order_with_their_offsets() -> None:
    """Only SHOPPING_CART visits, each with the offset of its visit; rejects go along."""
    actions = ["SHOPPING_CART", "ORDER", "SHOPPING_CART", "shopping_cart"]
    values = [visit_bytes(action=action) for action in actions]
    outputs = output_lines(outputs_of(Settings()))(decode_batch(raw_batch(*values, b"?", begin=5)))
    line = "2026-11-23T20:00:00.123Z,USA,SHOPPING_CART,17"
    assert outputs.lines["carts"] == [(5, line), (7, line)]
    assert [reject.message.offset() for reject in outputs.rejects] == [9]
    assert (outputs.begin, outputs.end) == (5, 10)
