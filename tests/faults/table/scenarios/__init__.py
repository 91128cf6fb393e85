"""All rows, by kind."""

from importlib import import_module

from tests.faults.table.scenario import SCENARIOS

__all__ = ["SCENARIOS"]

_KINDS = (
    "processes",
    "clocks",
    "mariadb",
    "mariadb_conditions",
    "mariadb_limits",
    "mariadb_disk",
    "kafka",
    "kafka_topics",
    "networks",
    "start_up",
    "messages",
    "crowds",
    "soak",
)

for _kind in _KINDS:  # each adds its rows to the table, in this order
    import_module(f"{__name__}.{_kind}")
