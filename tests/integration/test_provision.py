"""`python -m ops provision`: what it creates, what it leaves alone, what it refuses."""

from contextlib import closing
from typing import Any

import pytest
from confluent_kafka.admin import NewPartitions, NewTopic

from clients import kafka, mariadb
from clients.mariadb import Login, translated
from ops.provision import administration, provision
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.support import produce, query, remove, wait_until

POSITIONS = "SELECT topic, kafka_partition, first_offset, next_offset, messages FROM progress ORDER BY 2"


def _state(settings: Settings) -> tuple[list[tuple[object, ...]], ...]:
    return query(settings, POSITIONS), query(settings, "SELECT * FROM pipeline")


def _partitions(settings: Settings, topic: str) -> int:
    found = kafka.describe(kafka.admin_client(settings), settings, [topic])[topic]
    return found.partitions if found else 0


def _grow(settings: Settings, partitions: int) -> None:
    admin = kafka.admin_client(settings)
    admin.create_partitions([NewPartitions(settings.visits_topic, partitions)])[settings.visits_topic].result()
    wait_until(
        lambda: _partitions(settings, settings.visits_topic) == partitions, deadline_s=20, what="the topic has grown"
    )


@pytest.mark.environment(VISITS_PARTITIONS="3")
def test_it_creates_topics_tables_and_positions(settings: Settings) -> None:
    """A position for every partition, at the topic's first offset, and what must not change."""
    assert [_partitions(settings, topic) for topic in (settings.visits_topic, settings.carts_topic)] == [3, 3]
    assert _partitions(settings, settings.rejected_topic) == 3
    assert query(settings, POSITIONS) == [(settings.visits_topic, partition, 0, 0, 0) for partition in range(3)]
    stored = "SELECT topic, partitions, window_lengths_s, naive_timezone, LENGTH(pipeline_id) FROM pipeline"
    assert query(settings, stored) == [(settings.visits_topic, 3, "5,60,3600,86400", "", 32)]


def test_the_rejected_topic_accepts_larger_messages_than_the_input(settings: Settings) -> None:
    """The largest message that Kafka accepts still fits with its headers."""
    admin = kafka.admin_client(settings)
    sizes = [kafka.largest_batch(admin, topic) for topic in (settings.visits_topic, settings.rejected_topic)]
    assert sizes[1] == sizes[0] + 65_536


def test_a_topic_that_collides_with_another_one_is_named(environment: dict[str, str]) -> None:
    """Kafka creates no a_b beside a.b, of whatever program."""
    settings = Settings.from_environment(environment)
    theirs = settings.carts_topic.replace(".", "_")
    admin = kafka.admin_client(settings)
    admin.create_topics([NewTopic(theirs, num_partitions=1)])[theirs].result()
    try:
        with pytest.raises(Fatal) as caught:
            provision(settings)
    finally:
        admin.delete_topics([theirs])[theirs].result()
    assert caught.value.code == ExitCode.CONFIG
    assert caught.value.message.startswith(f"topic '{settings.carts_topic}' cannot be created: ")
    assert theirs in caught.value.message


def test_repeating_it_changes_nothing(settings: Settings) -> None:
    """Positions, pipeline id and passwords stay."""
    produce(settings, [(0, b"{}")])
    before = _state(settings)
    other_password = Settings.from_environment(
        {
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "VISITS_TOPIC": settings.visits_topic,
            "CARTS_TOPIC": settings.carts_topic,
            "REJECTED_TOPIC": settings.rejected_topic,
            "MARIADB_HOST": settings.mariadb_host,
            "MARIADB_PORT": str(settings.mariadb_port),
            "MARIADB_DATABASE": settings.mariadb_database,
            "MARIADB_USER": settings.mariadb_user,
            "MARIADB_READER_USER": settings.mariadb_reader_user,
            "MARIADB_ADMIN_USER": settings.mariadb_admin_user,
            "MARIADB_ADMIN_PASSWORD": settings.mariadb_admin_password,
        }
    )
    provision(other_password)
    assert _state(settings) == before
    mariadb.connect(Login.dataflow(settings)).close()


DATAFLOW = {
    ("window_totals", "SELECT"),
    ("window_totals", "INSERT"),
    ("window_totals", "UPDATE"),
    ("progress", "SELECT"),
    ("progress", "UPDATE"),
    ("pipeline", "SELECT"),
    ("pipeline_secret", "SELECT"),
    ("schema_versions", "SELECT"),
}
READER = {(table, "SELECT") for table in ("window_totals", "progress", "pipeline", "visit_stats", "seq_0_to_65535")}

STATEMENTS = {
    "SELECT": "SELECT * FROM {table} LIMIT 1",
    "INSERT": "INSERT INTO {table} SELECT * FROM {table} LIMIT 0",
    "UPDATE": "UPDATE {table} SET {column} = {column}",
    "DELETE": "DELETE FROM {table}",
    "DROP": "DROP TABLE {table}",
    "ALTER": "ALTER TABLE {table} ADD more INT",
}
COLUMNS = {"window_totals": "visits", "progress": "visits", "pipeline": "topic", "pipeline_secret": "lock_secret"}
COLUMNS["schema_versions"] = "name"


def _may(connection: Any, statement: str) -> bool:
    cursor = connection.cursor()
    try:
        with translated(statement):
            cursor.execute(statement)
    except Fatal as refused:
        if "error 1142" not in refused.message:
            raise
        return False
    finally:
        cursor.close()
    return True


def _allowed(login: Login) -> set[tuple[str, str]]:
    """Return what a user may do, by trying it; a view and a sequence are only read."""
    tables = {table: (column, STATEMENTS) for table, column in COLUMNS.items()}
    only_read = {"SELECT": STATEMENTS["SELECT"]}
    tables |= {"visit_stats": ("", only_read), "seq_0_to_65535": ("", only_read)}
    with closing(mariadb.connect(login)) as connection:
        return {
            (table, name)
            for table, (column, statements) in tables.items()
            for name, statement in statements.items()
            if _may(connection, statement.format(table=table, column=column))
        }


def test_users_may_do_what_they_need_and_no_more(settings: Settings) -> None:
    """By table: the dataflow may not change what it was provisioned for, the leaderboard may not see the secret."""
    assert _allowed(Login.dataflow(settings)) == DATAFLOW
    assert _allowed(Login.reader(settings)) == READER


def test_privileges_of_version_0_1_are_taken_back(settings: Settings) -> None:
    """It granted on the whole database, and its tables had no secret; nothing that is counted is lost."""
    query(settings, "INSERT INTO window_totals VALUES (5, '2026-01-01', 'action', 'FAQ', 7, 1)")
    query(settings, "UPDATE progress SET next_offset = 3, messages = 3 WHERE kafka_partition = 0")
    before = _state(settings)
    query(settings, "DROP TABLE pipeline_secret")
    query(settings, "DROP TABLE schema_versions")
    pattern = settings.mariadb_database.replace("_", r"\_")
    for user, privileges in (
        (settings.mariadb_user, "SELECT, INSERT, UPDATE"),
        (settings.mariadb_reader_user, "SELECT"),
    ):
        query(settings, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{user}'@'%'")
        query(settings, f"GRANT {privileges} ON `{pattern}`.* TO '{user}'@'%'")
    provision(settings)
    assert _allowed(Login.dataflow(settings)) == DATAFLOW
    assert _allowed(Login.reader(settings)) == READER
    assert _state(settings) == before
    assert query(settings, "SELECT entry, duration_s, visits FROM window_totals") == [("FAQ", 7, 1)]
    assert query(settings, "SELECT LENGTH(lock_secret) FROM pipeline_secret") == [(32,)]


def test_the_secret_of_the_locks_stays(settings: Settings) -> None:
    """A running dataflow holds locks of that name."""
    before = query(settings, "SELECT lock_secret FROM pipeline_secret")
    provision(settings)
    assert query(settings, "SELECT lock_secret FROM pipeline_secret") == before


@pytest.mark.parametrize("name", ["order", "2026", "1e5", "_", "key_x"])
def test_a_database_named_like_a_word_or_a_number(environment: dict[str, str], name: str) -> None:
    """It is provisioned, and its users work in it; no other is open to them."""
    settings = Settings.from_environment(environment | {"MARIADB_DATABASE": name})
    with closing(mariadb.connect(Login.admin(settings))) as connection:
        connection.cursor().execute(f"DROP DATABASE IF EXISTS `{name}`")
    try:
        provision(settings)
        assert _allowed(Login.dataflow(settings)) == DATAFLOW
        assert _allowed(Login.reader(settings)) == READER
        with closing(mariadb.connect(Login.reader(settings)._replace(database=None))) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1")
            assert {row[0] for row in cursor.fetchall()} == {"information_schema", name}
    finally:
        remove(settings)


def test_a_grant_is_for_one_database(settings: Settings) -> None:
    """In a grant _ stands for any character: a database of a similar name stays closed."""
    similar = settings.mariadb_database.replace("_", "x", 1)
    query(settings, f"CREATE DATABASE `{similar}`")
    try:
        with pytest.raises(Fatal, match="1044"):
            mariadb.connect(Login.dataflow(settings)._replace(database=similar))
    finally:
        query(settings, f"DROP DATABASE `{similar}`")


@pytest.mark.environment(VISITS_PARTITIONS="2")
def test_a_topic_that_has_grown_gets_positions_for_its_new_partitions(settings: Settings) -> None:
    """The old ones stay where they are; the outputs grow too."""
    query(settings, "UPDATE progress SET next_offset = 7, messages = 7")
    _grow(settings, 4)
    provision(settings)
    expected = [(7, 7), (7, 7), (0, 0), (0, 0)]
    assert [row[3:] for row in query(settings, POSITIONS)] == expected
    assert query(settings, "SELECT partitions FROM pipeline") == [(4,)]
    assert _partitions(settings, settings.carts_topic) == _partitions(settings, settings.rejected_topic) == 4


def test_a_deleted_position_is_never_created_anew(settings: Settings) -> None:
    """A new one would count its partition twice."""
    query(settings, "DELETE FROM progress WHERE kafka_partition = 2")
    before = _state(settings)
    with pytest.raises(Fatal, match=r"no row for topic .* partition 2.*reset --yes") as refused:
        provision(settings)
    assert refused.value.code == ExitCode.DATA
    assert _state(settings) == before


def test_totals_without_a_pipeline_row_are_refused(settings: Settings) -> None:
    """What they counted would be counted again."""
    query(settings, "DELETE FROM pipeline")
    with pytest.raises(Fatal, match="reset --yes") as refused:
        provision(settings)
    assert refused.value.code == ExitCode.DATA


@pytest.mark.parametrize("recreate", [True, False])
def test_a_topic_that_was_deleted_is_refused(settings: Settings, recreate: bool) -> None:
    """A topic of the same name is another topic."""
    admin = kafka.admin_client(settings)
    admin.delete_topics([settings.visits_topic])[settings.visits_topic].result()
    wait_until(lambda: _partitions(settings, settings.visits_topic) == 0, deadline_s=20, what="the topic is deleted")
    if recreate:
        admin.create_topics([NewTopic(settings.visits_topic, 4)])[settings.visits_topic].result()
        wait_until(lambda: _partitions(settings, settings.visits_topic) == 4, deadline_s=20, what="it exists again")
    before = _state(settings)
    with pytest.raises(Fatal, match="reset --yes") as refused:
        provision(settings)
    assert refused.value.code == ExitCode.DATA
    assert _state(settings) == before
    assert _partitions(settings, settings.visits_topic) == (4 if recreate else 0)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("WINDOW_LENGTHS_S", "10,60", r"WINDOW_LENGTHS_S is '10,60'.*'5,60,3600,86400'"),
        ("NAIVE_TIMEZONE", "Europe/Berlin", r"NAIVE_TIMEZONE is 'Europe/Berlin'.*''"),
        ("VISITS_TOPIC", "another", "VISITS_TOPIC is 'another'"),
    ],
)
def test_other_settings_than_the_databases_are_refused(
    settings: Settings, environment: dict[str, str], variable: str, value: str, message: str
) -> None:
    """The message names both values."""
    before = _state(settings)
    with pytest.raises(Fatal, match=message) as refused:
        provision(Settings.from_environment(environment | {variable: value}))
    assert refused.value.code == ExitCode.CONFIG
    assert _state(settings) == before


def test_another_version_of_the_decode_rules_is_refused(settings: Settings) -> None:
    """Totals of old and new rules must not be mixed in one database."""
    query(settings, "UPDATE pipeline SET decode_version = 0")
    with pytest.raises(Fatal, match=r"the version of the decode rules is 1.* 0"):
        provision(settings)


def _existing(settings: Settings) -> set[str]:
    """Return which topics, database and users of a test exist."""
    names = (settings.visits_topic, settings.carts_topic, settings.rejected_topic)
    topics = {name for name in names if _partitions(settings, name)}
    with closing(mariadb.connect(Login.admin(settings))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA UNION SELECT User FROM mysql.user")
        present = {row[0] for row in cursor.fetchall()}
    return topics | present & {settings.mariadb_database, settings.mariadb_user, settings.mariadb_reader_user}


@pytest.mark.parametrize("variable", ["VISITS_TOPIC", "REJECTED_TOPIC"])
def test_a_compacted_topic_is_refused(environment: dict[str, str], variable: str) -> None:
    """Kafka would delete visits before they are counted, or rejected ones of the same key; nothing is created."""
    settings = Settings.from_environment(environment)
    admin, name = kafka.admin_client(settings), environment[variable]
    topic = NewTopic(name, 1, config={"cleanup.policy": "compact,delete"})
    admin.create_topics([topic])[name].result()
    wait_until(lambda: _partitions(settings, name) == 1, deadline_s=20, what="the topic exists")
    with pytest.raises(Fatal, match="compact") as refused:
        provision(settings)
    assert refused.value.code == ExitCode.CONFIG
    assert _existing(settings) == {name}
    assert _partitions(settings, name) == 1


@pytest.mark.parametrize("variable", ["MARIADB_PASSWORD", "MARIADB_READER_PASSWORD"])
def test_a_user_is_not_created_without_a_password(environment: dict[str, str], variable: str) -> None:
    """An empty password is one clear message, and nothing is created."""
    settings = Settings.from_environment(environment | {variable: ""})
    with pytest.raises(Fatal, match=f"{variable} is empty") as refused:
        provision(settings)
    assert refused.value.code == ExitCode.CONFIG
    assert _existing(settings) == set()


def test_positions_without_the_other_tables_are_refused_as_they_are(settings: Settings) -> None:
    """No table is created beside what is left."""
    query(settings, "DELETE FROM pipeline")
    query(settings, "DROP TABLE window_totals")
    with pytest.raises(Fatal, match="table pipeline is empty"):
        provision(settings)
    assert query(settings, "SHOW TABLES LIKE 'window_totals'") == []


def test_a_second_provision_at_the_same_time_is_refused(settings: Settings) -> None:
    """Two at once would insert positions twice: the second one waits 10 s, then ends with its message."""
    with (
        administration(settings),
        pytest.raises(Fatal, match="is being provisioned or reset by another process") as refused,
    ):
        provision(settings)
    assert refused.value.code == ExitCode.HELD


def test_an_anonymous_account_does_not_take_precedence_over_the_dataflows(environment: dict[str, str]) -> None:
    """At 127.0.0.1 MariaDB prefers ''@'127.0.0.1' to user@'%', and would refuse the password."""
    settings = Settings.from_environment(environment)
    admin = mariadb.connect(Login.admin(settings))
    cursor = admin.cursor()
    hosts = ("127.0.0.1", "localhost")
    for host in hosts:
        cursor.execute(f"CREATE USER ''@'{host}'")
    try:
        provision(settings)
        mariadb.connect(Login.dataflow(settings)).close()
        mariadb.connect(Login.reader(settings)).close()
    finally:
        for host in hosts:
            cursor.execute(f"DROP USER ''@'{host}'")
        admin.close()


@pytest.mark.parametrize(
    ("variables", "message", "code"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "KAFKA_BOOTSTRAP_SERVERS", ExitCode.UNAVAILABLE),
        ({"MARIADB_PORT": "1"}, "MARIADB_PORT", ExitCode.UNAVAILABLE),
        ({"MARIADB_ADMIN_PASSWORD": "wrong"}, "1045", ExitCode.CONFIG),
    ],
)
def test_an_unavailable_server_or_a_wrong_password_is_one_message(
    environment: dict[str, str], variables: dict[str, str], message: str, code: ExitCode
) -> None:
    """The message names what to look at."""
    with pytest.raises(Fatal, match=message) as refused:
        provision(Settings.from_environment(environment | variables))
    assert refused.value.code == code
