"""Where the page is."""

from settings import Settings


def address_of(settings: Settings) -> str:
    """Return the page's address for a browser on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.board_host, settings.board_host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.board_port}/"
