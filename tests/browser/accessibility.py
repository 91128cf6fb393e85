"""axe-core, run on a page as it stands (https://github.com/dequelabs/axe-core)."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def axe(page: Page) -> list[str]:
    """Return what axe-core finds, one line per rule that is broken."""
    violations = Axe().run(page).response["violations"]
    return [f"{found['id']}: {[node['html'] for node in found['nodes']][:3]}" for found in violations]
