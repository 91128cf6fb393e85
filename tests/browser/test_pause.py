"""A pause that comes before everything is painted: the first reading is painted once, then nothing changes."""

import re

import pytest
from playwright.sync_api import Page, expect

from settings import Settings
from tests.browser.server import Board, Visits, add_visits, now
from tests.support import wait_until

GATES = """
window.gates = Object.fromEntries(["boards", "status"].map((name) => [name, { open: false, held: null, passed: [] }]));
window.open_gate = (name) => {
  gates[name].open = true;
  gates[name].held?.();
};
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (name, handle) {
  const gate = gates[name];
  if (!gate) return listen.call(this, name, handle);
  listen.call(this, name, (event) => {
    gate.latest = JSON.parse(event.data);
    gate.held = () => { handle(event); gate.passed.push(gate.latest); };
    if (gate.open) gate.held();
  });
};
"""
"""Holds back the latest event of each name until its gate is opened."""


@pytest.mark.parametrize(
    "before", [[], ["boards"], ["status"], ["boards", "status"]], ids=lambda names: "-".join(names) or "nothing"
)
def test_a_pause_holds_whatever_was_painted_before(
    page: Page, board: Board, settings: Settings, before: list[str]
) -> None:
    """Nothing, boards alone, the status alone, or both have arrived when the pause begins."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 100))
    page.add_init_script(GATES)
    page.goto(board.url)
    arrived = "gates.boards.latest?.country.entries[0]?.entry === 'Peru' && gates.status.latest?.visits === 1"
    wait_until(lambda: page.evaluate(arrived), deadline_s=60, what="events with the first visit")
    for name in before:
        page.evaluate("name => open_gate(name)", name)
    page.get_by_role("button", name="Pause").click()
    for name in ("boards", "status"):
        page.evaluate("name => open_gate(name)", name)
    expect(page.locator("#country tbody .name")).to_have_text(["Peru"])
    expect(page.locator("#visits")).to_have_text("1")
    expect(page.locator("#as-of")).to_have_text(re.compile(r"^as of \S+ UTC$"))
    expect(page.locator("#state-word")).to_have_text("Paused")
    text = page.locator("body").inner_text()
    add_visits(settings, Visits(now(), "ORDER", "Kenya", 900))
    passed = (
        "gates.boards.passed.at(-1).country.entries[0].entry === 'Kenya' && gates.status.passed.at(-1).visits === 2"
    )
    wait_until(lambda: page.evaluate(passed), deadline_s=60, what="events with the second visit")
    assert page.locator("body").inner_text() == text
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#country tbody .name")).to_have_text(["Kenya", "Peru"])
    expect(page.locator("#visits")).to_have_text("2")
    expect(page.locator("#state-word")).to_have_text("Live")
