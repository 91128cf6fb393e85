"""The README's code, as it is written there."""

import re

from ops.servers import ROOT


def blocks(language: str) -> list[str]:
    """Return the README's blocks of code in a language, such as `sh`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
