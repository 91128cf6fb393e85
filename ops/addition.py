"""Additions to a database that has counted: one at a time, while no dataflow runs, all of it or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ops.locks import lock_partitions
from ops.provision import administration, stored_pipeline
from partition import provisioned
from partition.pipeline import Pipeline, read_schema_version
from process.errors import ExitCode, Fatal
from settings import Settings

_LONGEST_S = 6 * 3600

# Between two statements the log is read; other sessions wait for nothing that is locked here.
_PATIENT = "SET SESSION idle_write_transaction_timeout = 0, idle_transaction_timeout = 0, wait_timeout = 28800"


@contextmanager
def provisioned_and_stopped(settings: Settings) -> Iterator[tuple[Any, Pipeline]]:
    """Hold the administrator's connection and every partition's lock; yield it, and what the database was made for.

    :raises Fatal: a dataflow is running, the settings are of another database, or a server is unavailable.
    """
    with administration(settings, read_timeout_s=_LONGEST_S) as connection:
        pipeline = stored_pipeline(connection, settings)
        if pipeline is None:
            raise Fatal(provisioned.not_provisioned_message(settings.mariadb_database), ExitCode.CONFIG)
        provisioned.refuse_other_schema(settings, read_schema_version(connection.cursor()))
        provisioned.refuse_other_settings(_as_stored(settings, pipeline), pipeline)
        lock_partitions(connection, settings, pipeline)
        cursor = connection.cursor()
        cursor.execute(_PATIENT)
        yield connection, pipeline


def _as_stored(settings: Settings, pipeline: Pipeline) -> Settings:
    """Return the settings with the window lengths and boards of the database: these are what is added to."""
    lengths_s = tuple(map(int, pipeline.fixed.window_lengths_s.split(",")))
    return replace(settings, window_lengths_s=lengths_s, boards=tuple(pipeline.fixed.boards.split(",")))
