"""Real servers for the whole session, and for every test topics, a database and users of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from ops.provision import provision
from ops.servers import Servers, start
from process.errors import Fatal
from settings import Settings
from tests.support import own_names, remove


def pytest_configure(config: pytest.Config) -> None:
    """Register our marker."""
    marker = "environment(**variables): variables for the fixtures `environment` and `settings`, on top of their own"
    config.addinivalue_line("markers", marker)
    if not os.environ.get("CI"):  # hypothesis has a profile of its own for CI: on a busy machine times prove nothing
        hypothesis.settings.register_profile(
            "here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
        )
        hypothesis.settings.load_profile("here")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an orderly end: the servers are stopped
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Kafka and MariaDB: those that the environment names, or new ones, deleted after the session."""
    yield from _started(tmp_path_factory.mktemp("servers"), dict(os.environ))


@pytest.fixture(scope="session")
def own_servers(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that a test may kill and start again: never those that the environment names."""
    if servers.kafka and servers.mariadb:
        yield servers
    else:
        yield from _started(tmp_path_factory.mktemp("own_servers"), {})


@pytest.fixture
def environment(servers: Servers, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Variables of a pipeline of the test's own; nothing of it is created yet, all of it is removed in the end."""
    variables = own_names(servers)
    for marker in request.node.iter_markers("environment"):
        variables |= marker.kwargs
    yield variables
    remove(Settings.from_environment(variables))


@pytest.fixture
def own_environment(own_servers: Servers) -> Iterator[dict[str, str]]:
    """As `environment`, on servers that the test may kill."""
    variables = own_names(own_servers)
    yield variables
    remove(Settings.from_environment(variables))


@pytest.fixture
def own_settings(own_environment: dict[str, str]) -> Settings:
    """The settings of `own_environment`, provisioned."""
    settings = Settings.from_environment(own_environment)
    provision(settings)
    return settings


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The settings of `environment`, provisioned."""
    settings = Settings.from_environment(environment)
    provision(settings)
    return settings


def _started(directory: Path, environ: dict[str, str]) -> Iterator[Servers]:
    try:
        servers = start(directory, environ)
    except Fatal as fatal:
        Servers(directory, environ).delete()  # one of them may be running
        if os.environ.get("CI"):
            pytest.fail(fatal.message)
        pytest.skip(fatal.message)
    except KeyboardInterrupt:
        Servers(directory, environ).delete()
        raise
    try:
        yield servers
    finally:
        servers.delete()
