"""How every Kafka client is configured and created, and the latest error of this process's connections."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from process.errors import ExitCode, Fatal
from settings import Settings, kafka_variable_of

Client = TypeVar("Client")

REQUEST_TIMEOUT_S = 10.0
_OF_THE_CONNECTION = ("sasl.", "security.", "ssl.")  # they belong together, and some are secret


class ConnectionErrors:
    """The latest error of any connection of this process: a request that times out does not contain the cause."""

    def __init__(self) -> None:
        self._latest: tuple[float, KafkaError] | None = None

    def record(self, error: KafkaError) -> None:
        """Keep an error, unless it is only that all brokers are down, which names no cause."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._latest = (time.monotonic(), error)

    def recent(self) -> KafkaError | None:
        """Return the latest error, unless it is older than twice the time-out of a request."""
        if self._latest is None or time.monotonic() - self._latest[0] > 2 * REQUEST_TIMEOUT_S:
            return None
        return self._latest[1]


connection_errors = ConnectionErrors()


def client_config(settings: Settings, tuning: Mapping[str, Any] | None = None, /, **exact: Any) -> dict[str, Any]:
    """Return librdkafka's configuration; names are written with `_` for `.`.

    The user's KAFKA_CONFIG_* overrides `tuning`; `exact`, which promises rest on, overrides all.
    """
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "log_level": 2,  # its errors reach us as values; its own log lines would only repeat them
        **_error_callback(exact),
        **_dotted(tuning or {}),
        **settings.kafka_config,
        **_dotted(exact),
    }


def created(kind: Callable[[dict[str, Any]], Client], settings: Settings, configuration: dict[str, Any]) -> Client:
    """Return a producer, consumer or admin client.

    :raises Fatal: the value of a KAFKA_CONFIG_* variable does not fit this kind of client.
    :raises KafkaException: any other reason.
    """
    try:
        return kind(configuration)
    except KafkaException as error:
        if error.args[0].code() == KafkaError._INVALID_ARG:
            _refuse_variable(kind, settings, configuration, error)
        raise


def _refuse_variable(
    kind: Callable[[dict[str, Any]], object], settings: Settings, configuration: dict[str, Any], error: KafkaException
) -> None:
    # What is wrong may be the relation of two values, so its text need not name the one that the user has set: leave
    # out one after the other of the user's, until a client can be created without the last one left out.
    own = [name for name, value in settings.kafka_config.items() if configuration[name] == value]
    for name in own:
        if name.startswith(_OF_THE_CONNECTION):
            continue
        configuration = {other: value for other, value in configuration.items() if other != name}
        try:
            kind(configuration)
        except KafkaException as without_it:
            error = without_it
        else:
            message = (
                f"{kafka_variable_of(name)} is {settings.kafka_config[name]!r}, but librdkafka refuses it here: "
                f"{error.args[0].str().strip()}; change it, or set it for the program alone that needs it"
            )
            raise Fatal(message, ExitCode.CONFIG) from error


def _error_callback(exact: Mapping[str, Any]) -> dict[str, Any]:
    # That a transactional producer was fenced is raised out of this very callback: one of ours may swallow it.
    return {} if "transactional_id" in exact else {"error_cb": connection_errors.record}


def _dotted(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in options.items()}
