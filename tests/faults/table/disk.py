"""A small disk of its own for a server's data, and a file that fills it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.servers import Server
from tests.faults.table.servers import TableServers

_FREE_BYTES = 200_000_000
_BLOCK = bytes(1_000_000)


class Disk:
    """A mounted folder that can be filled up."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> int:
        """Write a file until no byte is left; return its size."""
        written = 0
        with self._ballast.open("wb", buffering=0) as stream:
            for size in (len(_BLOCK), 4096):
                try:
                    while step := stream.write(_BLOCK[:size]):
                        written += step
                except OSError:  # no space left on device
                    continue
        return written

    def free(self) -> None:
        """Remove the file."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(servers: TableServers, server: Server) -> Iterator[Disk]:
    """Keep a server's data on a disk of its own for as long as this lasts; it is stopped before and after."""
    data = servers.folder / server.name.lower() / "data"
    kept = data.with_name("data.kept")
    server.stop()
    data.rename(kept)
    data.mkdir()
    try:
        _mount(data, sum(file.stat().st_size for file in kept.rglob("*") if file.is_file()) + _FREE_BYTES)
        try:
            shutil.copytree(kept, data, symlinks=True, dirs_exist_ok=True)
            server.start()
            disk = Disk(data)
            yield disk
            disk.free()
            server.stop()
            shutil.rmtree(kept)
            shutil.copytree(data, kept, symlinks=True)
        finally:
            server.stop()
            _as_root("umount", str(data))
    finally:
        data.rmdir()
        kept.rename(data)
        server.start()


def _mount(folder: Path, size: int) -> None:
    _as_root("mount", "-t", "tmpfs", "-o", f"size={size},mode=700,uid={os.getuid()}", "tmpfs", str(folder))


def _as_root(*command: str) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}; a disk of its own takes root, or sudo"
