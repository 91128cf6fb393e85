"""What the page shows between the choice of a range and its figures: never another range's without a mark."""

from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from settings import Settings
from tests.browser.accessibility import axe
from tests.browser.server import Board, Visits, add_visits, now, serving
from tests.proxy import Proxy

NOTES = ("#action .count", "#country .count", "#series-note")


def test_another_range_while_the_database_is_unavailable_is_not_read_yet(
    browser: Browser, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """The old rows are marked; back at their range they no longer are, nor are the new rows when they come."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100), Visits(now() - timedelta(minutes=30), "ORDER", "Kenya", 60))
    proxy = Proxy(settings.mariadb_host, settings.mariadb_port)
    with serving(environment | {"MARIADB_PORT": str(proxy.port)}, tmp_path) as board:
        page = browser.new_page()
        page.goto(board.url)
        expect(page.locator("#country tbody .name")).to_have_text(["Peru"])
        proxy.interrupt()
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
        proxy.open()
        expect(page.locator("#country tbody .name")).to_have_text(["Peru", "Kenya"], timeout=60_000)
        expect(page.locator("#boards")).to_have_attribute("data-old", "false")
        expect(page.locator("#country .count")).to_contain_text("2 entries")
        page.context.close()
    proxy.interrupt()


def test_another_range_comes_at_once_where_events_are_buffered(page: Page, board: Board, settings: Settings) -> None:
    """The page continues to poll: it does not wait again for events that have not come before."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100), Visits(now() - timedelta(minutes=30), "ORDER", "Kenya", 60))

    def buffer(_route: Route) -> None:
        pass

    page.route("**/api/v1/stream*", buffer)
    page.goto(board.url)
    expect(page.locator("#state-word")).to_have_text("Live, every 2 s", timeout=60_000)
    page.get_by_role("radio", name="1 hour").check()
    expect(page.locator("#country tbody .name")).to_have_text(["Peru", "Kenya"], timeout=5500)
    expect(page.locator("#state-word")).to_have_text("Live, every 2 s")


def test_all_entries_end_the_pause(page: Page, board: Board, settings: Settings) -> None:
    """The painted reading has no more of them: the page resumes, and shows them."""
    add_visits(settings, *(Visits(now(), "FAQ", f"Country {at:02}", 100 - at) for at in range(12)))
    page.goto(board.url)
    expect(page.locator("#country tbody tr")).to_have_count(10)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state-word")).to_have_text("Paused")
    page.get_by_role("button", name="Show all 12").click()
    expect(page.locator("#country tbody tr")).to_have_count(12)
    expect(page.locator("#state-word")).to_have_text("Live")


def test_an_idle_stream_is_noticed(browser: Browser, board: Board, settings: Settings) -> None:
    """Connected, but idle for longer than the heartbeat: the page shows it, and reconnects by itself."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100))
    proxy = Proxy("127.0.0.1", board.port)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{proxy.port}")
    expect(page.locator("#state-word")).to_have_text("Live")
    proxy.stall()
    expect(page.locator("#state-word")).to_have_text("Reconnecting", timeout=60_000)
    expect(page.locator("body")).to_have_attribute("data-fresh", "no")
    add_visits(settings, Visits(now(), "ORDER", "Kenya", 900))
    proxy.resume()
    expect(page.locator("#country tbody .name")).to_have_text(["Kenya", "Peru"], timeout=60_000)
    expect(page.locator("#state-word")).to_contain_text("Live")
    page.context.close()
    proxy.interrupt()
