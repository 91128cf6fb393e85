"""Pictures of the page, kept as test output; docs/leaderboard.png is made here if it is missing."""

import os
import re
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, expect

from ops.servers.software import ROOT
from tests.browser.accessibility import axe
from tests.browser.server import Board
from tests.browser.shop import COUNTRIES

README_PICTURE = ROOT / "docs" / "leaderboard.png"
PICTURES: list[tuple[str, int, int, Literal["light", "dark"]]] = [
    ("light", 1360, 770, "light"),
    ("dark", 1360, 770, "dark"),
    ("mobile", 360, 780, "light"),
]


def test_the_page_reads_well(shop: None, board: Board, page: Page, screenshots: Path) -> None:
    """Light, dark and at 360 pixels: nothing overflows, and axe-core finds nothing."""
    page.goto(board.url)
    for name, width, height, scheme in PICTURES:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.locator("#country tbody tr")).to_have_count(10)
        expect(page.locator("#country .count")).to_contain_text(f"{len(COUNTRIES)} entries")
        expect(page.locator("#state-word")).to_have_text("Live")
        expect(page.locator("#two-way")).to_have_text("✓ equal")
        expect(page.locator("#rate")).not_to_have_text(re.compile(r"^\D?0?$"))
        expect(page.locator("#plot canvas")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert axe(page) == []
        page.screenshot(path=screenshots / f"{name}.png", full_page=name == "mobile")
    if os.environ.get("NEW_README_PICTURE") or not README_PICTURE.exists():
        README_PICTURE.write_bytes((screenshots / "light.png").read_bytes())
    assert README_PICTURE.stat().st_size < 300_000
