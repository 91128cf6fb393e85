"""Every environment variable of the project, once: name, unit, default, what is allowed.

Only entry points read the environment: they call `Settings.from_environment()` and hand the result on.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from process.errors import ExitCode, Fatal

KAFKA_CONFIG_PREFIX = "KAFKA_CONFIG_"
LONGEST_WINDOW_S = 31_622_400

NOT_OPEN = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "client.rack",
        "default.topic.config",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "logger",
        "metadata.broker.list",
        "request.required.acks",
        "transactional.id",
        "transaction.timeout.ms",
    }
)
"""librdkafka names that the promises rest on: KAFKA_CONFIG_* may not set them."""


def _text(value: str) -> str:
    return value


def _topic(value: str) -> str:
    if not 0 < len(value) <= 249 or value in {".", ".."} or set(value) - _TOPIC_CHARACTERS:
        raise ValueError(value)
    return value


def _identifier(value: str) -> str:
    if not 0 < len(value) <= 64 or set(value) - _IDENTIFIER_CHARACTERS:
        raise ValueError(value)
    return value


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not lowest <= number <= highest:
            raise ValueError(value)
        return number

    return parse


def _flag(value: str) -> bool:
    return {"0": False, "1": True}[value]


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(value)
        return value

    return parse


def _lengths(value: str) -> tuple[int, ...]:
    lengths = tuple(int(length) for length in value.split(","))
    if list(lengths) != sorted(set(lengths)) or not 0 < lengths[0] <= lengths[-1] <= LONGEST_WINDOW_S:
        raise ValueError(value)
    if any(length % lengths[0] for length in lengths):
        raise ValueError(value)
    return lengths


def _zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(value) from error


def _names(value: str) -> tuple[str, ...]:
    names = tuple(value.split(","))
    if len(set(names)) < len(names) or not all(map(_is_name, names)):
        raise ValueError(value)
    return names


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isprintable()


def _time(value: str) -> int | None:
    if value == "off":
        return None
    number, unit = value[:-1], value[-1]
    return _whole(1, 3_155_760_000)(number) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]


def _places(value: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition(":") for part in value.split(",")]
    places = tuple((name, place) for name, _, place in pairs)
    if len(dict(places)) < len(places) or not all(name and place for name, place in places):
        raise ValueError(value)
    return places


_TOPIC_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_IDENTIFIER_CHARACTERS = _TOPIC_CHARACTERS - {".", "-"}

_PORT = _whole(1, 65535)


def _setting(parse: Callable[[str], Any], allowed: str, default: Any = MISSING, *, secret: bool = False) -> Any:
    metadata = {"parse": parse, "allowed": allowed, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration, from the environment. A field's variable is its name in capitals."""

    kafka_bootstrap_servers: str = _setting(_text, "host:port, several separated by commas", "127.0.0.1:9092")
    kafka_group_id: str = _setting(_text, "a consumer group's name", "website-analytics")
    kafka_config: Mapping[str, str] = field(default_factory=dict, repr=False)
    visits_topic: str = _setting(_topic, "a topic's name", "website.visits")
    carts_topic: str = _setting(_topic, "a topic's name", "website.carts.abandoned")
    rejected_topic: str = _setting(_topic, "a topic's name", "website.visits.rejected")
    visits_partitions: int = _setting(_whole(1, 99_999), "1 to 99999 (provision only)", 4)

    mariadb_host: str = _setting(_text, "a host's name or address", "127.0.0.1")
    mariadb_port: int = _setting(_PORT, "1 to 65535", 3306)
    mariadb_database: str = _setting(_identifier, "letters, digits, _", "website_stats")
    mariadb_tls_ca: str | None = _setting(_text, "a file of PEM certificates", None)
    mariadb_user: str = _setting(_text, "the dataflow's user", "website_dataflow")
    mariadb_password: str = _setting(_text, "the dataflow's password", "", secret=True)
    mariadb_password_file: str | None = _setting(
        _text, "a file that holds the dataflow's password, read where MARIADB_PASSWORD is not set", None
    )
    mariadb_admin_user: str = _setting(_text, "provision's and reset's user", "root")
    mariadb_admin_password: str = _setting(_text, "provision's and reset's password", "", secret=True)
    mariadb_reader_user: str = _setting(_text, "the leaderboard's user", "website_reader")
    mariadb_reader_password: str = _setting(_text, "the leaderboard's password", "", secret=True)

    window_lengths_s: tuple[int, ...] = _setting(
        _lengths,
        "whole seconds, rising, separated by commas, each a multiple of the first, up to 31622400",
        (5, 60, 3600, 86400),
    )
    naive_timezone: ZoneInfo | None = _setting(_zone, "an IANA time zone such as Europe/Berlin", None)
    boards: tuple[str, ...] = _setting(_names, "boards, separated by commas", ("action", "country"))
    visit_fields: tuple[tuple[str, str], ...] = _setting(
        _places, "pairs such as lastAction:event_type,country:user.country, separated by commas", ()
    )
    visit_date_format: str = _setting(
        _one_of("rfc3339", "epoch_s", "epoch_ms", "epoch_us"), "rfc3339, epoch_s, epoch_ms or epoch_us", "rfc3339"
    )
    duration_unit: str = _setting(_one_of("s", "ms"), "s or ms", "s")
    max_duration_s: int = _setting(_whole(1, 2_147_483_647), "1 to 2147483647 seconds", 2_147_483_647)
    max_future: int | None = _setting(_time, "a time such as 90s, 15m, 6h or 1d, or off", None)
    cart_action: tuple[str, ...] = _setting(
        _names, "last actions of 1 to 64 printable characters, separated by commas", ("SHOPPING_CART",)
    )
    carts_format: str = _setting(_one_of("csv", "json"), "csv or json", "csv")
    flush_interval_ms: int = _setting(_whole(1, 10_000), "1 to 10000 milliseconds", 5)
    batch_messages: int = _setting(_whole(1, 100_000), "1 to 100000 messages", 4000)
    on_data_loss: str = _setting(_one_of("fail", "skip"), "fail or skip", "fail")
    stop_at_end: bool = _setting(_flag, "0 or 1", False)
    echo: bool = _setting(_flag, "0 or 1", False)
    max_window_rows: int = _setting(_whole(1, 10**12), "1 to 1000000000000 rows of window_totals", 500_000_000)
    hang_timeout_s: int = _setting(_whole(5, 3600), "5 to 3600 seconds without progress (ops run only)", 30)
    log_format: str = _setting(_one_of("text", "json"), "text or json", "text")

    metrics_host: str = _setting(_text, "an address to listen on", "127.0.0.1")
    metrics_port: int | None = _setting(_PORT, "1 to 65535; process i of a cluster takes the i-th port after it", None)

    board_host: str = _setting(_text, "an address to listen on", "127.0.0.1")
    board_port: int = _setting(_PORT, "1 to 65535", 8000)
    board_max_connections_per_address: int = _setting(
        _whole(1, 2000), "1 to 2000 connections (behind a reverse proxy, all viewers have its address: 2000)", 500
    )

    @property
    def board_url(self) -> str:
        """The page's address for a browser on this machine: a wildcard address becomes the loopback's."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.board_host, self.board_host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.board_port}/"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read and check every variable; an empty one counts as not set.

        :raises Fatal: one line that names the variable, its value and what is allowed.
        """
        environ = os.environ if environ is None else environ
        values = {
            spec.name: _parsed(spec, environ[variable_of(spec)])
            for spec in fields(cls)
            if "parse" in spec.metadata and environ.get(variable_of(spec))
        }
        path = values.get("mariadb_password_file")
        if path and "mariadb_password" not in values:
            values["mariadb_password"] = _password_in(path)
        settings = cls(**values, kafka_config=_kafka_config(environ))
        topics = (settings.visits_topic, settings.carts_topic, settings.rejected_topic)
        if len({topic.replace(".", "_") for topic in topics}) < len(topics):  # Kafka refuses to create such topics
            message = (
                "VISITS_TOPIC, CARTS_TOPIC and REJECTED_TOPIC must differ, by more than . in place of _, but are "
                f"{', '.join(topics)}"
            )
            raise Fatal(message, ExitCode.CONFIG)
        return settings


def variable_of(spec: "Field[Any]") -> str:
    """Return the environment variable of a field of `Settings`."""
    return spec.name.upper()


def kafka_variable_of(name: str) -> str:
    """Return the environment variable of a setting of librdkafka."""
    return f"{KAFKA_CONFIG_PREFIX}{name.upper().replace('.', '_')}"


def _parsed(spec: "Field[Any]", value: str) -> Any:
    try:
        return spec.metadata["parse"](value)
    except (ValueError, KeyError, IndexError) as error:
        shown = "***" if spec.metadata["secret"] else repr(value)
        message = f"{variable_of(spec)} is {shown}, but must be {spec.metadata['allowed']}"
        raise Fatal(message, ExitCode.CONFIG) from error


def _password_in(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"MARIADB_PASSWORD_FILE is {path!r}, but must be a file that can be read: {error}"
        raise Fatal(message, ExitCode.CONFIG) from error


def _kafka_config(environ: Mapping[str, str]) -> dict[str, str]:
    config = {}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(KAFKA_CONFIG_PREFIX) or not value:
            continue
        name = variable.removeprefix(KAFKA_CONFIG_PREFIX).lower().replace("_", ".")
        name = "log_level" if name == "log.level" else name  # the only one that librdkafka writes so
        if name in NOT_OPEN:
            message = f"{variable} is {value!r}, but {name} is not open: the dataflow's promises rest on it"
            raise Fatal(message, ExitCode.CONFIG)
        config[name] = value
    return config
