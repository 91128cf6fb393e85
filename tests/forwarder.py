"""Forwards TCP connections: python -m tests.forwarder FROM_HOST:PORT TO_HOST:PORT [FROM TO ...]

A connection ends at both sides when it ends at one. Prints `ready` when it listens on all of them.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable

_CHUNK_BYTES = 65_536

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def main(addresses: list[str]) -> None:
    """Forward until killed."""
    for source, target in zip(addresses[::2], addresses[1::2], strict=True):
        host, port = source.split(":")
        await asyncio.start_server(_handler(target), host, int(port))
    print("ready", flush=True)
    await asyncio.Event().wait()


def _handler(target: str) -> Handler:
    host, port = target.split(":")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                there, back = await asyncio.open_connection(host, int(port))
            except OSError:
                return
            with contextlib.closing(back):
                copying = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
                await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
                for task in copying:
                    task.cancel()
                await asyncio.gather(*copying, return_exceptions=True)

    return handle


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
