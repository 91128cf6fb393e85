"""TLS to MariaDB: the right CA works, anything else is one message with its cure."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from clients import mariadb
from clients.mariadb import Login, translated
from ops.servers import Servers
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.integration.mariadb_server import Server, mariadb_with
from tests.integration.totals import sink_of, sums, totals
from tests.support import query


class Certificates(NamedTuple):
    """Files in PEM: a CA, another one of the same name, and a server's certificate by the first."""

    ca: Path
    other_ca: Path
    certificate: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        ["/usr/bin/env", "openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def authority(folder: Path, name: str) -> Path:
    """Make a CA: its certificate, and beside it its key."""
    ca = folder / f"{name}.pem"
    own = ("-x509", "-days", "2", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=Test CA")
    openssl("req", *own, "-keyout", ca.with_suffix(".key"), "-out", ca)
    return ca


def certificates_for(folder: Path, address: str) -> Certificates:
    """Make a CA, another one, and a certificate of the first for one address."""
    ca, other_ca = authority(folder, "ca"), authority(folder, "other")
    key, request, certificate, names = (folder / name for name in ("s.key", "s.csr", "s.pem", "names.txt"))
    openssl("req", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=server", "-keyout", key, "-out", request)
    names.write_text(f"subjectAltName={address}\n", encoding="ascii")
    signed = ("-CA", ca, "-CAkey", ca.with_suffix(".key"), "-CAcreateserial", "-days", "2", "-extfile", names)
    openssl("x509", "-req", "-in", request, "-out", certificate, *signed)
    return Certificates(ca, other_ca, certificate, key)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of a server at 127.0.0.1, and only there."""
    return certificates_for(tmp_path_factory.mktemp("certificates"), "IP:127.0.0.1")


@pytest.fixture(scope="module")
def server(servers: Servers, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with TLS."""
    options = (f"--ssl-cert={certificates.certificate}", f"--ssl-key={certificates.key}", "--ssl")
    with mariadb_with(servers, tmp_path_factory.mktemp("tls"), *options) as server:
        yield server


@pytest.fixture
def settings(server: Server, certificates: Certificates) -> Iterator[Settings]:
    """A pipeline on it, connected by TLS."""
    with server.pipeline(MARIADB_TLS_CA=str(certificates.ca)) as settings:
        yield settings


def test_the_right_ca(settings: Settings) -> None:
    """The connection is encrypted, and all works as without."""
    connection = mariadb.connect(Login.dataflow(settings))
    cursor = connection.cursor()
    with translated("asking"):
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
    assert cursor.fetchone()[1].startswith("TLSv1.")
    connection.close()
    with sink_of(settings) as sink:
        sink.write(sums(0, 3, "USA"))
    assert totals(settings) == {"USA": (10, 1)}


@pytest.mark.parametrize("login", [Login.dataflow, Login.reader, Login.admin], ids=["dataflow", "reader", "admin"])
def test_another_ca_is_refused(settings: Settings, certificates: Certificates, login: type[Login]) -> None:
    """No password is sent, and no restart helps."""
    other = replace(settings, mariadb_tls_ca=str(certificates.other_ca))
    with pytest.raises(Fatal, match="check MARIADB_TLS_CA") as caught:
        mariadb.connect(login(other))  # type: ignore[arg-type,call-arg]
    assert caught.value.code == ExitCode.CONFIG


def test_another_host_name_is_refused(settings: Settings) -> None:
    """The certificate is for 127.0.0.1, but this name leads to it too."""
    login = Login.dataflow(replace(settings, mariadb_host="127.1"))
    with pytest.raises(Fatal, match="MARIADB_HOST is a name in the server's certificate") as caught:
        mariadb.connect(login)
    assert caught.value.code == ExitCode.CONFIG


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_without_a_ca_is_refused(settings: Settings, tmp_path: Path, content: bytes | None) -> None:
    """It is missing, empty, or holds something else."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Fatal, match=f"MARIADB_TLS_CA is '{path}', but must be a file of PEM certificates") as caught:
        mariadb.connect(Login.dataflow(replace(settings, mariadb_tls_ca=str(path))))
    assert caught.value.code == ExitCode.CONFIG


def test_a_server_that_requires_tls(settings: Settings) -> None:
    """Without MARIADB_TLS_CA the message names it."""
    query(settings, "SET GLOBAL require_secure_transport = 1")
    try:
        with pytest.raises(Fatal, match=r"error 3159: .*it requires TLS: set MARIADB_TLS_CA") as caught:
            mariadb.connect(Login.dataflow(replace(settings, mariadb_tls_ca=None)))
        assert caught.value.code == ExitCode.CONFIG
        mariadb.connect(Login.dataflow(settings)).close()
    finally:
        query(settings, "SET GLOBAL require_secure_transport = 0")
