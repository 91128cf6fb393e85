"""How every Kafka client is configured, and the latest error of this process's connections."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError

from settings import Settings

REQUEST_TIMEOUT_S = 10.0


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


def _error_callback(exact: Mapping[str, Any]) -> dict[str, Any]:
    # That a transactional producer was fenced is raised out of this very callback: one of ours may swallow it.
    return {} if "transactional_id" in exact else {"error_cb": connection_errors.record}


def _dotted(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in options.items()}
