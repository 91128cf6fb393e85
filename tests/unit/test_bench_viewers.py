"""The benchmark of viewers: which options it accepts."""

import pytest

from bench.__main__ import main


@pytest.mark.parametrize("arguments", ["--viewers 0", "--commits 0", "--viewers x"])
def test_numbers_below_1_are_refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit) as ended:
        main(["viewers", *arguments.split()])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("is not a whole number above 0")
