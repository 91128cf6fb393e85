"""One headless Chromium for the session; for every test a page that must not log an error to its console."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ops.servers.software import ROOT
from settings import Settings
from tests.browser import chromium
from tests.browser.server import Board, serving
from tests.browser.shop import open_shop

OUTPUT = ROOT / "test-output" / "screenshots"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The system's Chromium."""
    path = chromium.found_or_installed()
    if path is None:
        reason = "the browser tests did not run: no Chromium on the PATH (Debian: apt install chromium)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def shop(settings: Settings) -> Iterator[None]:
    """A shop with traffic; name it before `board`, so that ten minutes are counted before the first reading."""
    with open_shop(settings):
        yield


@pytest.fixture
def board(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Board]:
    """The leaderboard of the test's database."""
    with serving(environment, tmp_path) as board:
        yield board


@pytest.fixture
def page(browser: Browser, board: Board) -> Iterator[Page]:
    """An empty page of 1360 by 900 pixels; errors and requests to other hosts fail the test."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(60_000)
    expect.set_options(timeout=30_000)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith(board.url) else errors.append(f"requested {request.url}"),
    )
    yield page
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder in which pictures of the page are kept."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    return OUTPUT
