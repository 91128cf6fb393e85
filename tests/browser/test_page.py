"""The page as its viewers use it: it fills, moves, pauses, reconnects, and shows the state of its figures."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from ops.servers.software import ROOT
from settings import Settings
from tests.browser.accessibility import axe
from tests.browser.server import Board, Visits, add_visits, now, serving
from tests.pipeline import running
from tests.proxy import Proxy
from tests.support import ends, process_environment, produce, wait_until

HOSTILE = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(2)">',
    "'\"><svg/onload=alert(3)>",
    "javascript:alert(4)",
    "{{7*7}}${7*7}",
    "\u202egnp.exe",
    "USA ",
    "USA",
)
FLAGS_ARE_DRAWN = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillText("🇳🇴", 0, 20);
    const bytes = [...pen.getImageData(0, 0, 40, 30).data];
    return bytes.some((value, at) => at % 4 === 0 && value !== bytes[at + 2]);
}"""


def names(page: Page, board: str) -> list[str]:
    """Return a board's names in the order of their ranks."""
    return page.locator(f"#{board} tbody .name").all_inner_texts()


def test_boards_fill_while_the_simulator_runs(
    page: Page, board: Board, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Visits go through Kafka, the dataflow and MariaDB onto the page by themselves."""
    page.goto(board.url)
    expect(page.locator("#empty-command code")).to_have_text("python -m simulate")
    simulate = [sys.executable, "-m", "simulate", "--rate", "300"]
    with running(environment, tmp_path, workers=2), (tmp_path / "simulate.log").open("wb") as log:
        variables = process_environment(environment)
        with subprocess.Popen(simulate, cwd=ROOT, env=variables, stdout=log, stderr=log) as load_generator:
            expect(page.locator("#country tbody tr")).to_have_count(10, timeout=120_000)
            expect(page.locator("#empty")).to_be_hidden()
            expect(page.locator("#two-way")).to_have_attribute("data-state", "equal")
            counted = page.locator("#visits").inner_text()
            expect(page.locator("#visits")).not_to_have_text(counted)
            expect(page.locator("#state-word")).to_have_text("Live")
            load_generator.send_signal(signal.SIGINT)
        sent = sum(ends(settings, settings.visits_topic).values())
        expect(page.locator("#visits")).to_have_text(f"{sent:,}", timeout=90_000)
        expect(page.locator("#lag")).to_have_text("0")
    assert set(names(page, "action")) >= {"CATALOG", "FAQ", "SHOPPING_CART", "ORDER"}


def test_ranks_move(page: Page, board: Board, settings: Settings) -> None:
    """An entry that overtakes glides up, and shows by how many ranks it rose since the previous period."""
    earlier = now() - timedelta(minutes=7)
    for at in (earlier, now()):
        add_visits(settings, Visits(at, "FAQ", "Peru", 100), Visits(at, "ORDER", "Kenya", 90))
    page.goto(board.url)
    expect(page.locator("#country tbody .name")).to_have_text(["Peru", "Kenya"])
    page.evaluate(
        """() => {
            window.glides = [];
            const animate = Element.prototype.animate;
            Element.prototype.animate = function (...how) {
                glides.push(this.querySelector(".name").textContent);
                return animate.apply(this, how);
            };
        }"""
    )
    add_visits(settings, Visits(now(), "ORDER", "Kenya", 50))
    expect(page.locator("#country tbody .name")).to_have_text(["Kenya", "Peru"])
    expect(page.locator("#country tbody td.change")).to_have_text(["▲1up 1", "▼1down 1"])
    assert set(page.evaluate("glides")) == {"FAQ", "ORDER", "Kenya", "Peru"}
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("glides.length = 0")
    add_visits(settings, Visits(now(), "FAQ", "Peru", 50))
    expect(page.locator("#country tbody .name")).to_have_text(["Peru", "Kenya"])
    assert page.evaluate("glides") == []


def leader_of(board: Board) -> str:
    """Return the country of the first rank, as the server has it."""
    leader: str = board.get("/api/v1/boards/country?range=5m").json["entries"][0]["entry"]
    return leader


def test_pause_holds(page: Page, board: Board, settings: Settings) -> None:
    """Paused, the page stays as it is and shows that it is paused; resumed, it is up to date at once."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100))
    page.goto(board.url)
    expect(page.locator("#country tbody .name")).to_have_text(["Peru"])
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator("#state-word")).to_have_text("Paused")
    expect(page.get_by_role("button", name="Resume")).not_to_have_attribute("aria-pressed", "true")
    as_of = page.locator("#as-of").inner_text()
    with page.expect_response(lambda response: "/snapshot" in response.url):
        add_visits(settings, Visits(now() + timedelta(seconds=1), "ORDER", "Kenya", 900))
        wait_until(lambda: leader_of(board) == "Kenya", deadline_s=60, what="the board has Kenya")
        page.evaluate("fetch('/api/v1/snapshot?range=5m').then(response => response.text())")
    assert names(page, "country") == ["Peru"]
    assert page.locator("#as-of").inner_text() == as_of
    assert axe(page) == []
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#country tbody .name")).to_have_text(["Kenya", "Peru"])
    expect(page.locator("#state-word")).to_have_text("Live")


def test_the_page_comes_back_after_a_restart_of_the_server(
    browser: Browser, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """It shows that it reconnects, keeps its figures, greyed, and resumes by itself."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100))
    context = browser.new_context()
    page = context.new_page()
    with serving(environment, tmp_path) as board:
        page.goto(board.url)
        expect(page.locator("#country tbody .name")).to_have_text(["Peru"])
        assert board.end() == 0
    expect(page.locator("#state-word")).to_have_text("Reconnecting")
    expect(page.locator("body")).to_have_attribute("data-fresh", "no")
    expect(page.locator("#why")).to_contain_text("does not respond")
    assert names(page, "country") == ["Peru"]
    add_visits(settings, Visits(now(), "ORDER", "Kenya", 900))
    with serving(environment, tmp_path, port=board.port):
        expect(page.locator("#country tbody .name")).to_have_text(["Kenya", "Peru"], timeout=60_000)
        expect(page.locator("#state-word")).to_have_text("Live")
        context.close()


def test_hostile_names_are_text(page: Page, board: Board, settings: Settings) -> None:
    """Whatever a country is called: nothing runs, two different names look different, and the page stays whole."""
    hostile = [Visits(now(), name, name, 100 - at) for at, name in enumerate(HOSTILE)]
    add_visits(settings, *hostile, Visits(now(), "x" * 64, "W" * 64, 1))
    page.goto(board.url)
    expect(page.locator("#country tbody tr")).to_have_count(len(HOSTILE) + 1)
    shown = names(page, "country")
    assert shown[:5] == list(HOSTILE[:5])
    assert shown[5:7] == ["\ufffdgnp.exe", "USA\u2423"]
    assert shown[7].endswith("United States")
    assert page.locator("tbody script, tbody img").count() == 0
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_codes_of_countries_are_names_and_flags(
    page: Page, board: Board, settings: Settings, screenshots: Path
) -> None:
    """The code is shown on hover; what is no code, and the other board, stay as they were sent.

    Flags are visible where the browser can draw them: in colours.
    """
    for at, code in enumerate(("NOR", "GB", "BIH", "VCT", "nor", "XXX")):
        add_visits(settings, Visits(now(), "NO", code, 100 - at))
    page.goto(board.url)
    countries = ["🇳🇴 Norway", "🇬🇧 United Kingdom", "🇧🇦 Bosnia & Herzegovina", "🇻🇨 St. Vincent & Grenadines"]
    expect(page.locator("#country tbody .name")).to_have_text([*countries, "nor", "XXX"])
    expect(page.locator("#action tbody .name")).to_have_text(["NO"])
    hovered = "[...document.querySelectorAll(':hover')].at(-1).closest('[title]').title"
    for row, code in ((0, "Norway (NOR)"), (3, "St. Vincent & Grenadines (VCT)"), (4, "nor"), (5, "XXX")):
        page.locator("#country tbody .name").nth(row).hover()
        assert page.evaluate(hovered) == code
    assert page.get_by_role("rowheader", name="Norway", exact=True).count() == 1
    assert axe(page) == []
    drawn = page.evaluate(FLAGS_ARE_DRAWN)
    assert names(page, "country")[0] == ("🇳🇴 Norway" if drawn else "Norway")
    page.screenshot(path=screenshots / "countries.png")


def test_every_control_is_reached_by_keyboard(page: Page, board: Board, settings: Settings) -> None:
    """Ranges are one group of radio buttons, and the address keeps the one that was chosen."""
    add_visits(settings, *(Visits(now(), "FAQ", f"Country {at:02}", 100 - at) for at in range(12)))
    add_visits(settings, Visits(now() - timedelta(days=40), "FAQ", "Atlantis", 1000))
    page.goto(board.url)
    expect(page.locator("#country tbody tr")).to_have_count(10)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the boards")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="5 min")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="All time")).to_be_checked()
    expect(page.locator("#country tbody .name").first).to_have_text("Atlantis")
    assert page.url.endswith("?range=all")
    page.get_by_role("button", name="Show all 13").press("Enter")
    expect(page.locator("#country tbody tr")).to_have_count(13)
    page.get_by_role("button", name="Show the first 10").press("Enter")
    expect(page.locator("#country tbody tr")).to_have_count(10)
    page.reload()
    expect(page.get_by_role("radio", name="All time")).to_be_checked()


def test_a_wall_display_needs_no_controls(page: Page, board: Board, settings: Settings, screenshots: Path) -> None:
    """?kiosk leaves the figures, larger."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100))
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(f"{board.url}/?kiosk&theme=dark&range=all")
    expect(page.locator("#country tbody .name")).to_have_text(["Peru"])
    for part in (".controls", "footer", ".more >> nth=0"):
        expect(page.locator(part)).to_be_hidden()
    assert axe(page) == []
    page.screenshot(path=screenshots / "kiosk.png")


def test_an_empty_shop_names_the_next_command(page: Page, board: Board, settings: Settings, screenshots: Path) -> None:
    """Nothing in Kafka: start the load generator; messages wait: start the dataflow."""
    page.goto(board.url)
    expect(page.locator("#empty-title")).to_have_text("No visits yet")
    expect(page.locator("#empty-command code")).to_have_text("python -m simulate")
    assert axe(page) == []
    page.screenshot(path=screenshots / "empty.png")
    produce(settings, [(0, b"{}")])
    expect(page.locator("#empty-command code")).to_have_text("python -m bytewax.run dataflow:flow -w 4")
    expect(page.locator("#lag")).to_have_text("1")


def test_nothing_provisioned_names_the_next_command(
    browser: Browser, environment: dict[str, str], tmp_path: Path
) -> None:
    """The page is still served, and fills when there are figures."""
    with serving(environment, tmp_path, ready="/livez") as board:
        page = browser.new_page()
        page.goto(board.url)
        expect(page.locator("#empty-command code")).to_have_text("python -m ops provision")
        assert board.get("/readyz").code == 503
        page.context.close()


def test_while_the_database_is_unavailable_the_last_figures_stay_with_the_reason(
    browser: Browser, settings: Settings, environment: dict[str, str], tmp_path: Path, screenshots: Path
) -> None:
    """They are grey and still readable; when it is available again they are live."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100), Visits(now(), "ORDER", "Kenya", 60))
    proxy = Proxy(settings.mariadb_host, settings.mariadb_port)
    with serving(environment | {"MARIADB_PORT": str(proxy.port)}, tmp_path) as board:
        page = browser.new_page()
        page.goto(board.url)
        expect(page.locator("#country tbody .name")).to_have_text(["Peru", "Kenya"])
        expect(page.locator("#two-way")).to_have_attribute("data-state", "equal")
        proxy.interrupt()
        expect(page.locator("#state-word")).to_have_text("Stale")
        expect(page.locator("#why")).to_contain_text("is MariaDB running")
        expect(page.locator("body")).to_have_attribute("data-fresh", "no")
        expect(page.locator("#two-way")).to_have_text("not checked now")
        assert names(page, "country") == ["Peru", "Kenya"]
        assert axe(page) == []
        page.screenshot(path=screenshots / "unavailable.png")
        proxy.open()
        expect(page.locator("#state-word")).to_have_text("Live", timeout=60_000)
        page.context.close()
    proxy.interrupt()


@pytest.mark.parametrize("refusal", ["closed", "buffered"])
def test_where_events_are_refused_the_page_polls_instead(
    page: Page, board: Board, settings: Settings, refusal: str
) -> None:
    """A proxy may refuse a stream, or buffer it for ever: the page polls every two seconds then."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100))

    def refuse(route: Route) -> None:
        if refusal == "closed":
            route.fulfill(status=204)

    page.route("**/api/v1/stream*", refuse)
    page.goto(board.url)
    expect(page.locator("#state-word")).to_have_text("Live, every 2 s", timeout=60_000)
    expect(page.locator("#country tbody .name")).to_have_text(["Peru"])
    add_visits(settings, Visits(now(), "ORDER", "Kenya", 900))
    expect(page.locator("#country tbody .name")).to_have_text(["Kenya", "Peru"])


def test_the_api_page_reads_well(page: Page, board: Board, settings: Settings, screenshots: Path) -> None:
    """Documentation, in the page's own look."""
    page.goto(f"{board.url}/api")
    expect(page.get_by_role("heading", name="Leaderboard API")).to_be_visible()
    assert axe(page) == []
    page.screenshot(path=screenshots / "api.png")
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
