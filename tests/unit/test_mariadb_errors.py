"""Every error number of MariaDB: its kind, its cure, and what is raised for it."""

import re
from pathlib import Path

import mariadb as driver
import pytest

from clients import mariadb
from clients.mariadb import ConnectionLost, Transient
from clients.mariadb_errors import ERRORS, Kind
from process.errors import ExitCode, Fatal

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "mariadb-errors.md"


def driver_error(number: int) -> driver.Error:
    error = driver.OperationalError("text")
    error.errno = number
    return error


def raised(number: int) -> BaseException:
    """Return what is raised for an error of the driver."""
    error = driver_error(number)
    with pytest.raises(Exception) as caught, mariadb.translated("trying"):  # noqa: PT011 - its type is what is tested
        raise error
    return caught.value


@pytest.mark.parametrize("number", ERRORS)
def test_each_number_is_raised_as_its_kind(number: int) -> None:
    """Repeat, connect again, or end with 78 and the cure."""
    known, error = ERRORS[number], raised(number)
    assert known.cure
    if known.kind in {Kind.CONFLICT, Kind.OUTAGE}:
        assert isinstance(error, Transient)
    elif known.kind == Kind.LOST:
        assert isinstance(error, ConnectionLost)
    else:
        assert isinstance(error, Fatal)
        assert error.code == ExitCode.CONFIG
        assert error.message == f"trying: error {number}: {driver_error(number)}; {known.cure}"
        return
    fatal = mariadb.unavailable(error)
    assert fatal.code == ExitCode.UNAVAILABLE
    assert fatal.message.startswith(f"trying: error {number}: text")


def test_an_unknown_number_ends_the_run() -> None:
    """With the server's own text."""
    error = raised(9999)
    assert isinstance(error, Fatal)
    assert (error.message, error.code) == (f"trying: error 9999: {driver_error(9999)}", ExitCode.ABORTED)


def test_an_error_without_a_number_is_a_lost_connection() -> None:
    """The client found the connection broken: what the server has done is unknown."""
    with pytest.raises(ConnectionLost, match="trying: error 0: text"), mariadb.translated("trying"):
        raise driver.InterfaceError("text")


def test_the_document_lists_every_number() -> None:
    """With its name, kind and cure."""
    rows = re.findall(r"^\| (\d+) \| (.*) \| (\w+) \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {int(number): (name, kind, cure) for number, name, kind, cure in rows}
    assert listed == {number: (known.name, known.kind.name, known.cure) for number, known in ERRORS.items()}
    assert [int(row[0]) for row in rows] == sorted(ERRORS)
