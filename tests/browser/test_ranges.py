"""What the page shows between one choice and its figures: never those of another range as if they were its own."""

from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from settings import Settings
from tests.browser.accessibility import axe
from tests.browser.server import Board, Visits, book, now, serving
from tests.way import Way

NOTES = ("#action .count", "#country .count", "#series-note")


def test_another_range_while_the_database_is_away_is_not_read_yet(
    browser: Browser, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The old rows are marked; back at their range they are its own again, and so are the new ones when they come."""
    book(settings, Visits(now(), "FAQ", "Peru", 100), Visits(now() - timedelta(minutes=30), "ORDER", "Kenya", 60))
    way = Way(settings.mariadb_host, settings.mariadb_port)
    with serving(environment | {"MARIADB_PORT": str(way.port)}, tmp_path) as board:
        page = browser.new_page()
        page.goto(board.url)
        expect(page.locator("#country tbody .name")).to_have_text(["Peru"])
        way.cut()
        expect(page.locator("#state-word")).to_have_text("Stale")
        page.get_by_role("radio", name="1 hour").check()
        expect(page.locator("#boards")).to_have_attribute("data-old", "true")
        for note in NOTES:
            expect(page.locator(note)).to_have_text("not read yet")
        assert axe(page) == []
        page.get_by_role("radio", name="5 min").check()
        expect(page.locator("#boards")).to_have_attribute("data-old", "false")
        expect(page.locator("#country .count")).to_contain_text("1 entry")
        page.get_by_role("radio", name="1 hour").check()
        expect(page.locator("#boards")).to_have_attribute("data-old", "true")
        way.open()
        expect(page.locator("#country tbody .name")).to_have_text(["Peru", "Kenya"], timeout=60_000)
        expect(page.locator("#boards")).to_have_attribute("data-old", "false")
        expect(page.locator("#country .count")).to_contain_text("2 entries")
        page.context.close()
    way.cut()


def test_another_range_comes_at_once_where_events_are_held_back(page: Page, board: Board, settings: Settings) -> None:
    """The page goes on asking: it does not wait for events again that have not come before."""
    book(settings, Visits(now(), "FAQ", "Peru", 100), Visits(now() - timedelta(minutes=30), "ORDER", "Kenya", 60))

    def hold_back(_route: Route) -> None:
        pass

    page.route("**/api/v1/stream*", hold_back)
    page.goto(board.url)
    expect(page.locator("#state-word")).to_have_text("Live, every 2 s", timeout=60_000)
    page.get_by_role("radio", name="1 hour").check()
    expect(page.locator("#country tbody .name")).to_have_text(["Peru", "Kenya"], timeout=5500)
    expect(page.locator("#state-word")).to_have_text("Live, every 2 s")


def test_all_entries_end_the_pause(page: Page, board: Board, settings: Settings) -> None:
    """What is held has no more of them: the page goes on, and shows them."""
    book(settings, *(Visits(now(), "FAQ", f"Country {at:02}", 100 - at) for at in range(12)))
    page.goto(board.url)
    expect(page.locator("#country tbody tr")).to_have_count(10)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state-word")).to_have_text("Paused")
    page.get_by_role("button", name="Show all 12").click()
    expect(page.locator("#country tbody tr")).to_have_count(12)
    expect(page.locator("#state-word")).to_have_text("Live")


def test_a_stream_that_falls_silent_is_noticed(browser: Browser, board: Board, settings: Settings) -> None:
    """Connected, but without a word for longer than the heartbeat: the page says so, and comes back by itself."""
    book(settings, Visits(now(), "FAQ", "Peru", 100))
    way = Way("127.0.0.1", board.port)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{way.port}")
    expect(page.locator("#state-word")).to_have_text("Live")
    way.hush()
    expect(page.locator("#state-word")).to_have_text("Reconnecting", timeout=60_000)
    expect(page.locator("body")).to_have_attribute("data-fresh", "no")
    book(settings, Visits(now(), "ORDER", "Kenya", 900))
    way.speak()
    expect(page.locator("#country tbody .name")).to_have_text(["Kenya", "Peru"], timeout=60_000)
    expect(page.locator("#state-word")).to_contain_text("Live")
    page.context.close()
    way.cut()
