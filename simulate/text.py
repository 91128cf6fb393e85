"""How a message's bytes are shown on one line of text."""


def shown(value: bytes | None) -> str:
    r"""Return a message on one line: as it is where it can be, else with escapes (\x00, \n), null as \N."""
    if value is None:
        return r"\N"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return repr(value)[2:-1]
    return text if text.isprintable() else repr(value)[2:-1]
