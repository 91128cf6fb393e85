"""The settings that a local database was provisioned with: later commands need the same."""

import os
from contextlib import closing

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from ops.provision import stored_pipeline
from settings import Settings


def stored_variables(settings: Settings) -> dict[str, str] | None:
    """Return the variables that differ from their defaults; None if nothing is provisioned.

    What the environment sets is left out: whether that fits, `provision` tells.

    :raises Fatal: MariaDB is unavailable or refuses the administrator.
    """
    login = Login.admin(settings)
    try:
        with closing(mariadb.connect(login)) as connection, translated(str(login)):
            pipeline = stored_pipeline(connection, settings)
    except (ConnectionLost, Transient) as error:
        raise mariadb.unavailable(error) from error
    return unset(pipeline.fixed.variables()) if pipeline else None


def unset(variables: dict[str, str]) -> dict[str, str]:
    """Return those variables that the environment does not set."""
    return {name: value for name, value in variables.items() if not os.environ.get(name)}
