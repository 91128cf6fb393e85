"""`python -m ops up` and `down`: real processes that outlive the command, one of each, restarted after any end."""

import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from clients import mariadb
from clients.mariadb import Login
from ops.servers import ROOT, Servers, docker, start
from ops.servers.notes import Notes
from ops.status import partition_states
from ops.up import settings_of
from settings import Settings
from tests.support import process_environment, wait_until

NAMES = [
    "KAFKA_BOOTSTRAP_SERVERS",
    "MARIADB_HOST",
    "MARIADB_PORT",
    "MARIADB_USER",
    "MARIADB_PASSWORD",
    "MARIADB_ADMIN_USER",
    "MARIADB_ADMIN_PASSWORD",
    "MARIADB_READER_USER",
    "MARIADB_READER_PASSWORD",
]


class Ops:
    """The command line, on a directory of its own and without our settings in the environment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ops", *arguments, "--directory", str(self.directory)]
        environment, pipe = process_environment(environ), subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe)

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        with self.start(*arguments, **environ) as process:
            stdout, stderr = process.communicate(timeout=120)
        return process.returncode, stdout, stderr

    def up(self, **environ: str) -> dict[str, str]:
        code, stdout, stderr = self.run("up", **environ)
        assert code == 0, stderr
        return exported(stdout)

    def pids(self) -> dict[str, int | None]:
        return {server.name: server.pid() for server in Servers(self.directory, {}).ours()}


def exported(stdout: str) -> dict[str, str]:
    """Return the variables of lines that are all `export NAME=value`, as a shell reads them."""
    words = [shlex.split(line) for line in stdout.splitlines()]
    assert all(len(word) == 2 and word[0] == "export" for word in words), stdout
    return dict(word[1].split("=", 1) for word in words)


@pytest.fixture(scope="module")
def ops(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ops]:
    """A directory in which `up` has run; `servers` skips or fails where this machine can run no servers."""
    assert servers.environment()
    ops = Ops(tmp_path_factory.mktemp("up"))
    try:
        ops.up()
        yield ops
    finally:
        ops.run("down", "--delete")
        assert ops.pids() == {"Kafka": None, "MariaDB": None}


def test_up_prints_how_to_reach_servers_that_are_ready(ops: Ops) -> None:
    """Nothing but exports; every user can log in, and everything is provisioned."""
    environment = ops.up()
    assert list(environment) == NAMES
    settings = settings_of(environment)
    assert [state.next_offset for state in partition_states(settings)] == [0, 0, 0, 0]
    for login in (Login.dataflow(settings), Login.admin(settings), Login.reader(settings)):
        mariadb.connect(login).close()


def test_a_second_up_finds_the_running_servers(ops: Ops) -> None:
    """The same lines, the same processes."""
    environment, pids = ops.up(), ops.pids()
    assert (ops.up(), ops.pids()) == (environment, pids)


def test_up_prints_what_the_database_was_provisioned_with(ops: Ops, environment: dict[str, str]) -> None:
    """Settings that are not the defaults, so that the commands after it fit; what the environment sets stays there."""
    addresses = ops.up()
    own = ("MARIADB_DATABASE", "VISITS_TOPIC", "CARTS_TOPIC", "REJECTED_TOPIC")
    names = {name: environment[name] for name in own}
    special = {"BOARDS": "action,country/action", "MAX_FUTURE": "86400s", "CART_ACTION": "A,B", "CARTS_FORMAT": "json"}
    assert ops.up(**names, **special) == addresses
    boards = special.pop("BOARDS")
    assert ops.up(**names, **special) == addresses | {"BOARDS": boards}
    assert ops.up(**names) == addresses | special | {"BOARDS": boards}


def test_two_ups_at_once_start_one_of_each(ops: Ops) -> None:
    """The second one waits for the first, and finds its servers."""
    ops.run("down")
    both = [ops.start("up") for _ in range(2)]
    outputs = {process.communicate(timeout=120)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(outputs) == 1
    folder = str(ops.directory / "kafka" / "server.properties")
    assert sum(folder in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])) == 1


def test_ports_passwords_and_data_outlive_down_and_up(ops: Ops) -> None:
    """A shell's variables stay right, and `up` does not take them for another directory's servers."""
    environment = ops.up()
    settings = settings_of(environment)
    connection = mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database))
    connection.cursor().execute("UPDATE progress SET next_offset = 5 WHERE kafka_partition = 1")
    connection.commit()
    connection.close()
    assert ops.run("down")[0] == 0
    assert ops.pids() == {"Kafka": None, "MariaDB": None}
    assert ops.up(**environment) == environment
    assert [state.next_offset for state in partition_states(settings)] == [0, 5, 0, 0]


@pytest.mark.parametrize("name", ["Kafka", "MariaDB"])
def test_up_restarts_what_was_killed(ops: Ops, name: str) -> None:
    """It gets the same port again, and the other server keeps running."""
    environment, before = ops.up(), ops.pids()
    killed = before[name]
    assert killed is not None
    os.kill(killed, 9)
    wait_until(lambda: ops.pids()[name] is None, deadline_s=10, what=f"the end of {name}")
    assert ops.up() == environment
    after = ops.pids()
    assert {other for other in before if before[other] == after[other]} == set(before) - {name}


def test_a_recycled_pid_is_not_taken_for_a_server(ops: Ops) -> None:
    """The pid in the file may be another process's by now: that one is neither taken for the server nor stopped."""
    ops.run("down")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as foreign:
        (ops.directory / "mariadb" / "pid").write_text(str(foreign.pid))
        assert ops.pids()["MariaDB"] is None
        ops.run("down")
        ops.up()
        assert ops.pids()["MariaDB"] != foreign.pid
        assert foreign.poll() is None
        foreign.kill()


def test_a_port_taken_by_another_process_is_replaced(ops: Ops) -> None:
    """The server gets another port, and `up` prints it."""
    environment = ops.up()
    ops.run("down")
    with socket.create_server(("127.0.0.1", int(environment["MARIADB_PORT"]))):
        assert ops.up()["MARIADB_PORT"] != environment["MARIADB_PORT"]


def test_servers_inherit_nothing(ops: Ops, tmp_path: Path) -> None:
    """No file descriptor of the caller's: `eval "$(python -m ops up)"` returns. No terminal, no session."""
    ops.run("down")
    inherited = tmp_path / "inherited"
    with inherited.open("w") as file:
        command = [sys.executable, "-m", "ops", "up", "--directory", str(ops.directory)]
        environ = process_environment({})
        subprocess.run(command, cwd=ROOT, env=environ, pass_fds=[file.fileno()], check=True, capture_output=True)
    for pid in ops.pids().values():
        assert pid is not None
        process = psutil.Process(pid)
        assert inherited not in {Path(file.path) for file in process.open_files()}
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull


def test_a_second_mariadb_leaves_the_temporary_tables_of_the_first(ops: Ops, tmp_path: Path) -> None:
    """MariaDB removes all that it finds in its temporary folder when it starts, and when it installs itself."""
    environment = ops.up()
    first = mariadb.connect(Login.admin(settings_of(environment)))
    cursor = first.cursor()
    cursor.execute("CREATE TEMPORARY TABLE mysql.kept (number INT) ENGINE = Aria")
    cursor.execute("INSERT INTO mysql.kept VALUES (7)")
    other = start(tmp_path / "other", {"KAFKA_BOOTSTRAP_SERVERS": environment["KAFKA_BOOTSTRAP_SERVERS"]})
    try:
        cursor.execute("FLUSH TABLES")
        cursor.execute("SELECT number FROM mysql.kept")
        assert cursor.fetchall() == [(7,)]
        cursor.execute("DROP TEMPORARY TABLE mysql.kept")
    finally:
        first.close()
        other.delete()


def test_only_the_owner_can_read_passwords(ops: Ops) -> None:
    """Every file that holds one has mode 600."""
    files = [ops.directory / "servers.json", ops.directory / "mariadb" / "accounts.sql"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    password = ops.up()["MARIADB_ADMIN_PASSWORD"]
    assert not any(password in " ".join(psutil.Process(pid).cmdline()) for pid in ops.pids().values())


def test_no_account_of_mariadb_is_without_a_password(ops: Ops) -> None:
    """Neither root nor an anonymous account."""
    settings = settings_of(ops.up())
    connection = mariadb.connect(Login.admin(settings))
    cursor = connection.cursor()
    cursor.execute(
        "SELECT User, Host FROM mysql.user WHERE User = '' OR (Password = '' AND is_role = 'N') OR Host = '%'"
    )
    accounts = {row[0] for row in cursor.fetchall()} - {"mariadb.sys"}
    connection.close()
    assert accounts == {settings.mariadb_user, settings.mariadb_reader_user}


def test_addresses_of_the_environment_are_used_and_nothing_is_started(ops: Ops, tmp_path: Path) -> None:
    """These servers are used as they are, and `down` leaves them alone."""
    environment = ops.up()
    other = Ops(tmp_path)
    assert other.up(**environment) == environment
    assert other.pids() == {"Kafka": None, "MariaDB": None}
    assert other.run("down")[0] == 0
    assert None not in ops.pids().values()


def test_status_shows_servers_and_partitions(ops: Ops) -> None:
    """A row for each partition; without servers one message."""
    ops.up()
    code, stdout, _ = ops.run("status")
    assert code == 0
    assert [name for name in ("Kafka", "MariaDB", "lag", "last commit (UTC)", "all") if name not in stdout] == []
    ops.run("down")
    code, _, stderr = ops.run("status")
    assert (code, stderr) == (69, "Kafka is not running; start it with python -m ops up\n")


def test_status_of_an_unprovisioned_database_is_one_message(ops: Ops) -> None:
    """It names the command that provisions."""
    ops.up()
    code, _, stderr = ops.run("status", MARIADB_DATABASE="another")
    assert code == 78
    assert stderr.count("\n") == 1
    assert "python -m ops provision" in stderr


def test_a_port_alone_names_a_mariadb_of_this_machine(tmp_path: Path) -> None:
    """MARIADB_HOST has a default: MARIADB_PORT alone names a server there."""
    servers = Servers(tmp_path, {"MARIADB_PORT": "3307"})
    assert servers.mariadb is None
    environment = servers.environment()
    assert (environment["MARIADB_HOST"], environment["MARIADB_PORT"]) == ("127.0.0.1", "3307")


def test_a_port_alone_may_be_that_of_up(ops: Ops) -> None:
    """Then it names the server of this directory."""
    port = ops.up()["MARIADB_PORT"]
    assert Servers(ops.directory, {"MARIADB_PORT": port}).mariadb is not None
    assert Servers(ops.directory, {"MARIADB_HOST": "127.0.0.1"}).mariadb is None  # that is port 3306


def test_servers_are_started_all_or_none(servers: Servers, tmp_path: Path) -> None:
    """If MariaDB cannot start, Kafka is stopped again, unless it ran before."""
    assert servers.environment()
    ops = Ops(tmp_path)
    (tmp_path / "mariadb" / "data").mkdir(parents=True)  # it exists, but nothing has been installed in it
    try:
        code, stdout, stderr = ops.run("up")
        assert (code, stdout) == (69, "")
        assert stderr.splitlines()[-1].startswith("MariaDB ended while it started; ")
        assert ops.pids() == {"Kafka": None, "MariaDB": None}
        kafka = Servers(tmp_path, {}).kafka
        assert kafka is not None
        kafka.start()
        try:
            before = ops.pids()
            assert ops.run("demo", "--seconds", "1")[0] == 69
            assert ops.pids() == before
        finally:
            kafka.stop()
    finally:
        ops.run("down", "--delete")


DOCKER = """#!/bin/sh
case $1 in
compose) {compose} ;;
version) echo {api} ;;
esac
"""


@pytest.mark.parametrize(
    ("api", "compose", "there"),
    [
        ("1.44", "true", True),
        ("1.51", "true", True),
        ("2.0", "true", True),
        ("1.43", "true", False),
        ("1.51", "echo \"docker: 'compose' is not a docker command\" >&2; exit 1", False),
        ("''; exit 1", "true", False),
    ],
)
def test_docker_is_used_where_it_can_start_compose_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, compose: str, there: bool
) -> None:
    """An engine that runs, version 25 at least, and the plugin: Debian's docker.io alone has none."""
    program = tmp_path / "docker"
    program.write_text(DOCKER.format(api=api, compose=compose))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert docker.is_there() is there


def test_delete_forgets_a_docker_that_is_gone(tmp_path: Path) -> None:
    """`up` would keep using it for ever; without --delete the message contains the output of docker."""
    (tmp_path / "local").mkdir()
    Notes(docker=True, kafka_port=20_001, mariadb_port=20_002).write(tmp_path / "local")
    ops = Ops(tmp_path / "local")
    environ = {"PATH": str(tmp_path)}
    code, _, stderr = ops.run("down", **environ)
    assert (code, stderr.count("\n")) == (69, 1)
    assert stderr.startswith("docker compose ")
    code, _, stderr = ops.run("down", "--delete", **environ)
    assert (code, stderr.count("\n")) == (0, 1)
    notes = Notes.read(ops.directory)
    assert notes is not None
    assert (notes.docker, notes.kafka_port) == (None, 20_001)


@pytest.mark.parametrize("missing", ["java", "mvn"])
def test_servers_that_cannot_be_started_are_one_message_with_the_choices(tmp_path: Path, missing: str) -> None:
    """Without Java or Maven, and nothing fetched before."""
    programs = tmp_path / "bin"
    programs.mkdir()
    if missing == "mvn":
        (programs / "java").write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
        (programs / "java").chmod(0o755)
    program = (
        "from pathlib import Path; from process.errors import Fatal; from ops.servers import software, start\n"
        f"software.SOFTWARE = Path({str(tmp_path / 'software')!r})\n"
        f"try: start(Path({str(tmp_path / 'local')!r}), {{}})\n"
        "except Fatal as fatal: print(fatal.message)"
    )
    environ = process_environment({"PATH": str(programs), "JAVA_HOME": ""})
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1
    for choice in (missing, "KAFKA_BOOTSTRAP_SERVERS", "Docker", "Java 17 and Maven"):
        assert choice in done.stdout


def test_settings_of_local_servers_are_those_of_the_environment_too(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the addresses and passwords are replaced."""
    monkeypatch.setenv("VISITS_TOPIC", "another")
    settings = settings_of(ops.up())
    assert isinstance(settings, Settings)
    assert settings.visits_topic == "another"
