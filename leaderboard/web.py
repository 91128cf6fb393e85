"""The page and its API as one Starlette app, and the server that serves it."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, cast

import uvicorn
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clients.mariadb import Login
from leaderboard import api
from leaderboard.admission import Admission
from leaderboard.connection import Connection
from leaderboard.descriptors import ExhaustionLog, connections_within_limit
from leaderboard.hub import Hub
from leaderboard.lag import LagWatch
from leaderboard.metrics import metrics
from leaderboard.poller import Poller
from process.errors import ExitCode, Fatal, end_process
from settings import Settings

STATIC = Path(__file__).parent / "static"
GRACE_S = 2
_DRAIN_S = 1.0
MOST_CONNECTIONS = 2000
_BACKLOG = 64  # the connections that asyncio accepts at a time, before any of them can be refused
_RESERVE = 4 * _BACKLOG + 128  # accepted and not yet closed; and files, Kafka, MariaDB
_STATUS_S = 1.0

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Ends the streams of all viewers on shutdown."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub: Hub = self.lifespan.state["hub"]
        hub.end()
        asyncio.get_running_loop().call_later(_DRAIN_S, self._abort_connections)
        await super().shutdown(sockets)

    def _abort_connections(self) -> None:
        """Abort the connections that have not closed by themselves: their viewers do not read."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.abort()


class _State(TypedDict):
    hub: Hub
    poller: Poller


def app_of(settings: Settings) -> Starlette:
    """Return the app; it starts to read the database when it is started."""
    routes = [
        Route("/", _page("index.html")),
        Route("/api", _page("api.html")),
        Route("/livez", _livez),
        Route("/readyz", _readyz),
        *api.ROUTES,
        Route("/metrics", metrics),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        lifespan=partial(_lifespan, settings),
        middleware=[Middleware(_SecurityHeaders)],
        exception_handlers={HTTPException: _refused},
    )


def serve(settings: Settings) -> None:
    """Serve the page until SIGTERM or Ctrl-C; viewers are disconnected, and it ends within 5 s.

    :raises Fatal: the address cannot be listened on, or the limit of open files is too low.
    """
    most = connections_within_limit(MOST_CONNECTIONS, reserve=_RESERVE)
    admission = Admission(most=most, most_per_address=settings.board_max_connections_per_address)
    listener = _listener(settings)
    config = uvicorn.Config(
        app_of(settings),
        http=cast(Any, partial(Connection, admission=admission)),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
        backlog=_BACKLOG,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logger.info("the leaderboard is at %s", settings.board_url, extra={"action": "listening"})
    AppStatus.enable_automatic_graceful_drain = False  # it would interrupt streams in mid-event: ours end by themselves
    with listener, _absorbed_signals():
        _Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _absorbed_signals() -> Iterator[None]:
    """Ignore the signal that uvicorn raises again after its shutdown: the process ends with 0."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _listener(settings: Settings) -> socket.socket:
    where = (settings.board_host, settings.board_port)
    try:
        family = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(where, family=family, backlog=_BACKLOG)
    except OSError as error:
        message = f"cannot listen on BOARD_HOST {where[0]!r}, BOARD_PORT {where[1]}: {error}; choose another"
        raise Fatal(message, ExitCode.CONFIG) from error


@contextlib.asynccontextmanager
async def _lifespan(settings: Settings, _app: Starlette) -> AsyncIterator[_State]:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(ExhaustionLog())

    def on_loop(update: Callable[[Any], None]) -> Callable[[Any], None]:
        def publish(value: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: no viewer is left
                loop.call_soon_threadsafe(update, value)

        return publish

    hub = Hub()
    poller = Poller(Login.reader(settings), hub.active_ranges, on_loop(hub.update))
    hub.missing = poller.wake
    lag = LagWatch(settings, hub.partitions, on_loop(hub.update_ends))
    poller.start()
    lag.start()
    refresher = asyncio.create_task(_refresh(hub, poller))
    try:
        yield {"hub": hub, "poller": poller}
    finally:
        refresher.cancel()
        await asyncio.gather(asyncio.to_thread(poller.stop, 1.0), asyncio.to_thread(lag.stop, 0.5))


async def _refresh(hub: Hub, poller: Poller) -> None:
    """Refresh the status every second; without its poller the process is useless, and ends to be restarted."""
    while True:
        if not poller.alive():
            end_process(Fatal("the thread that reads MariaDB has ended; the error is logged above", ExitCode.ABORTED))
        hub.refresh_status()
        await asyncio.sleep(_STATUS_S)


def _page(name: str) -> Callable[[Request], Any]:
    async def page(_request: Request) -> Response:
        return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})

    return page


async def _livez(request: Request) -> Response:
    poller: Poller = request.state.poller
    return api.json_response({"live": poller.alive()}, 200 if poller.alive() else 500)


async def _readyz(request: Request) -> Response:
    hub: Hub = request.state.hub
    status = hub.status()
    ready = status.state in {"live", "stale"}  # stale figures are shown, and marked as such
    return api.json_response({"ready": ready, "why": status.why}, 200 if ready else 503)


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # Starlette's handlers are typed for any exception
        raise error
    response = api.json_response({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


class _SecurityHeaders:
    """Adds our headers to every response; static files are revalidated, so that a new version shows."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
