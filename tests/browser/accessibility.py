"""axe-core, run on a page in its present state (https://github.com/dequelabs/axe-core)."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def axe(page: Page) -> list[str]:
    """Return what axe-core finds, one line per broken rule."""
    violations = Axe().run(page).response["violations"]
    return [f"{found['id']}: {[node['html'] for node in found['nodes']][:3]}" for found in violations]
