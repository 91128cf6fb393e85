"""The ports and passwords of a directory's servers, the same on every start."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from process.errors import ExitCode, Fatal


def _password() -> str:
    return secrets.token_urlsafe(24)


class Notes(msgspec.Struct):
    """Ports (0: none chosen yet) and passwords; one file that only its owner can read."""

    docker: bool | None = None  # None: not chosen yet
    kafka_port: int = 0
    kafka_controller_port: int = 0
    mariadb_port: int = 0
    admin_password: str = msgspec.field(default_factory=_password)
    dataflow_password: str = msgspec.field(default_factory=_password)
    reader_password: str = msgspec.field(default_factory=_password)

    @classmethod
    def read(cls, directory: Path) -> "Notes | None":
        """Return the directory's notes; None if it has none.

        :raises Fatal: the file cannot be read, or holds something else.
        """
        path = _path(directory)
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            message = f"{path} cannot be read: {error}; python -m ops down --delete, then remove it"
            raise Fatal(message, ExitCode.CONFIG) from error

    def write(self, directory: Path) -> None:
        """Replace the directory's notes, at once or not at all."""
        path = _path(directory)
        draft = path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self))
        draft.rename(path)


def _path(directory: Path) -> Path:
    return directory / "servers.json"


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter, whatever the umask is; one that exists stays as it is."""
    for parent in (*reversed(folder.parents), folder):
        if not parent.exists():
            with suppress(FileExistsError):  # another process was faster
                parent.mkdir(mode=0o700)
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; a second process waits. The lock ends with the process that holds it."""
    private_folder(folder)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
