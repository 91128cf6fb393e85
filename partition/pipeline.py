"""What `provision` wrote into the database: the row of table `pipeline`, and the positions that belong to it."""

from typing import Any, NamedTuple

import msgspec

from clients.sql import queries
from operators.boards import boards_of
from operators.decode import DECODE_VERSION
from operators.outputs import outputs_of
from operators.rules import VisitRules
from operators.visit import MAX_DURATION_S
from settings import Settings


class Fixed(NamedTuple):
    """What must not change under a database: other settings would give totals that are neither old nor new.

    Lists are separated by commas; an empty text stands for none, and for the usual fields.
    """

    window_lengths_s: str
    naive_timezone: str
    decode_version: int
    boards: str = "action,country"  # these defaults are what an older schema, which lacks the column, stands for
    outputs: str = '[["carts","csv",["SHOPPING_CART"]]]'
    visit_fields: str = ""
    visit_date_format: str = "rfc3339"
    duration_unit: str = "s"
    max_duration_s: int = MAX_DURATION_S
    max_future: str = "off"

    @classmethod
    def of(cls, settings: Settings) -> "Fixed":
        """Return what the settings are, as the database has it.

        :raises Fatal: CONFIG, a setting is wrong.
        """
        rules = VisitRules.of(settings)
        return cls(
            window_lengths_s=",".join(map(str, settings.window_lengths_s)),
            naive_timezone=settings.naive_timezone.key if settings.naive_timezone else "",
            decode_version=DECODE_VERSION,
            boards=",".join(board.name for board in boards_of(settings)),
            outputs=msgspec.json.encode(
                [(output.name, output.line_format, output.last_actions) for output in outputs_of(settings)]
            ).decode(),
            visit_fields=",".join(sorted(f"{name}:{place}" for name, place in settings.visit_fields if name != place)),
            visit_date_format=rules.date_format,
            duration_unit=rules.duration_unit,
            max_duration_s=rules.max_duration_s,
            max_future="off" if rules.max_future_s is None else f"{rules.max_future_s}s",
        )

    def variables(self) -> dict[str, str]:
        """Return the settings that differ from their defaults, as variables of the environment."""
        ours, usual = self._variables(), Fixed.of(Settings())._variables()
        return {name: value for name, value in ours.items() if value != usual[name]}

    def _variables(self) -> dict[str, str]:
        carts = {name: (line_format, actions) for name, line_format, actions in msgspec.json.decode(self.outputs)}
        line_format, actions = carts["carts"]
        own = {name.upper(): str(value) for name, value in self._asdict().items()}
        del own["DECODE_VERSION"], own["OUTPUTS"]
        return own | {"CARTS_FORMAT": line_format, "CART_ACTION": ",".join(actions)}

    def named(self) -> dict[str, str | int]:
        """Return the values by the names that people know them by."""
        names = {
            "decode_version": "the version of the decode rules",
            "outputs": "the list of outputs (CART_ACTION, CARTS_FORMAT)",
        }
        return {names.get(name, name.upper()): value for name, value in self._asdict().items()}


class Pipeline(NamedTuple):
    """The row of table `pipeline`: what this database counts, and how."""

    pipeline_id: str
    topic: str
    topic_id: str
    partitions: int
    fixed: Fixed


class Position(NamedTuple):
    """A row of table `progress`: where a partition stands."""

    topic_id: str
    partition: int
    first_offset: int
    next_offset: int


def read_pipeline(cursor: Any) -> Pipeline | None:
    """Return what the database was provisioned for; None if it was not.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["read_pipeline"])
    row = cursor.fetchone()
    if row is None:
        return None
    columns = dict(zip((column[0] for column in cursor.description), row, strict=True))
    fixed = Fixed(**{name: columns[name] for name in Fixed._fields if name in columns})
    return Pipeline(columns["pipeline_id"], columns["topic"], columns["topic_id"], columns["partitions"], fixed)


def read_schema_version(cursor: Any) -> int:
    """Return the number of the latest schema file that was applied; 0: none was recorded.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["schema_versions"])
    return max((int(row[0]) for row in cursor.fetchall()), default=0)


def read_lock_secret(cursor: Any) -> str | None:
    """Return the secret part of the partitions' lock names; None if `provision` has not made it.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["lock_secret"])
    row = cursor.fetchone()
    return str(row[0]) if row else None


def read_positions(cursor: Any, topic: str) -> list[Position]:
    """Return the positions of a topic's partitions, those of earlier topics of its name too.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(queries()["read_progress"], (topic,))
    return [Position(*row) for row in cursor.fetchall()]
