"""Every variable: its default, what it accepts, and the error for the rest."""

import re
from dataclasses import MISSING, fields
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from clients.kafka_config import client_config
from ops.servers.software import ROOT
from process.errors import ExitCode, Fatal
from settings import Settings, variable_of


def refused(**environ: str) -> str:
    with pytest.raises(Fatal) as caught:
        Settings.from_environment(environ)
    assert caught.value.code == ExitCode.CONFIG
    return caught.value.message


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing has to be set for a local run; an empty value counts as not set."""
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"NAIVE_TIMEZONE": "", "MARIADB_PORT": ""}) == Settings()


def test_values_are_read() -> None:
    """Numbers, lists, zones and flags become what they are."""
    environ = {
        "MARIADB_PORT": "3307",
        "WINDOW_LENGTHS_S": "10,60",
        "NAIVE_TIMEZONE": "Europe/Berlin",
        "STOP_AT_END": "1",
        "KAFKA_CONFIG_SECURITY_PROTOCOL": "SASL_SSL",
    }
    settings = Settings.from_environment(environ)
    assert settings.mariadb_port == 3307
    assert settings.window_lengths_s == (10, 60)
    assert settings.naive_timezone == ZoneInfo("Europe/Berlin")
    assert settings.stop_at_end is True
    assert settings.kafka_config == {"security.protocol": "SASL_SSL"}


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("MARIADB_PORT", "0", "1 to 65535"),
        ("MARIADB_PORT", "x", "1 to 65535"),
        ("FLUSH_INTERVAL_MS", "0", "1 to 10000 milliseconds"),
        ("BATCH_MESSAGES", "-1", "1 to 100000 messages"),
        ("WINDOW_LENGTHS_S", "60,5", "rising"),
        ("WINDOW_LENGTHS_S", "5,7", "a multiple of the first"),
        ("WINDOW_LENGTHS_S", "5,,60", "whole seconds"),
        ("WINDOW_LENGTHS_S", "0,5", "whole seconds"),
        ("NAIVE_TIMEZONE", "Mars/Olympus", "Europe/Berlin"),
        ("NAIVE_TIMEZONE", "../etc/passwd", "Europe/Berlin"),
        ("ON_DATA_LOSS", "ignore", "fail or skip"),
        ("STOP_AT_END", "yes", "0 or 1"),
        ("LOG_FORMAT", "xml", "text or json"),
        ("MARIADB_DATABASE", "a`b", "letters, digits, _"),
        ("VISITS_TOPIC", "a b", "a topic's name"),
        ("VISITS_PARTITIONS", "0", "1 to 99999"),
    ],
)
def test_a_wrong_value_names_variable_value_and_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    """One line, the cure in it."""
    line = refused(**{variable: value})
    assert line.startswith(f"{variable} is {value!r}, but must be ")
    assert allowed in line
    assert "\n" not in line


def test_what_the_promises_rest_on_is_not_open() -> None:
    """KAFKA_CONFIG_* may not loosen acks, idempotence, isolation or the reading position."""
    for name in ("ACKS", "ENABLE_IDEMPOTENCE", "ISOLATION_LEVEL", "CLIENT_RACK", "AUTO_OFFSET_RESET"):
        variable = f"KAFKA_CONFIG_{name}"
        assert variable in refused(**{variable: "0"})


def test_the_users_kafka_settings_override_ours_unless_promises_rest_on_them() -> None:
    """Tuning is the user's to change; what is exact is not."""
    settings = Settings.from_environment({"KAFKA_CONFIG_LINGER_MS": "50", "KAFKA_CONFIG_SSL_CA_LOCATION": "ca.pem"})
    config = client_config(settings, {"linger_ms": 5, "retry_backoff_ms": 5}, enable_idempotence=True)
    assert (config["linger.ms"], config["retry.backoff.ms"], config["enable.idempotence"]) == ("50", 5, True)
    assert config["ssl.ca.location"] == "ca.pem"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8001/"),
        ("board.example.com", "http://board.example.com:8001/"),
        ("0.0.0.0", "http://127.0.0.1:8001/"),  # noqa: S104
        ("::", "http://[::1]:8001/"),
        ("2001:db8::7", "http://[2001:db8::7]:8001/"),
    ],
)
def test_the_board_has_a_url_for_a_browser_on_this_machine(host: str, url: str) -> None:
    """A wildcard address is one to listen on, not one to connect to; IPv6 addresses are in brackets."""
    assert Settings.from_environment({"BOARD_HOST": host, "BOARD_PORT": "8001"}).board_url == url


def test_topics_must_differ() -> None:
    """Carts written into the visits' topic would be read as visits."""
    assert "must differ" in refused(CARTS_TOPIC="website.visits")


@pytest.mark.parametrize(
    "environ",
    [
        {"CARTS_TOPIC": "website_visits"},
        {"VISITS_TOPIC": "a.b", "REJECTED_TOPIC": "a_b"},
        {"CARTS_TOPIC": "a_b.c", "REJECTED_TOPIC": "a.b_c"},
    ],
)
def test_topics_must_differ_for_kafkas_metrics_too(environ: dict[str, str]) -> None:
    """Kafka creates no a_b beside a.b."""
    line = refused(**environ)
    assert line.startswith("VISITS_TOPIC, CARTS_TOPIC and REJECTED_TOPIC must differ, by more than . in place of _")
    assert all(topic in line for topic in environ.values())


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    """As Docker and Kubernetes pass secrets; a line end is not part of it. A value given directly has precedence.

    So what `python -m ops up` exports holds, whatever was set before.
    """
    secret = tmp_path / "secret"
    secret.write_text("p'a s\n", encoding="utf-8")
    assert Settings.from_environment({"MARIADB_PASSWORD_FILE": str(secret)}).mariadb_password == "p'a s"
    both = {"MARIADB_PASSWORD_FILE": str(secret), "MARIADB_PASSWORD": "direct"}
    assert Settings.from_environment(both).mariadb_password == "direct"
    assert Settings.from_environment(both | {"MARIADB_PASSWORD": ""}).mariadb_password == "p'a s"
    assert "MARIADB_PASSWORD_FILE" in refused(MARIADB_PASSWORD_FILE=str(tmp_path / "none"))


def test_no_password_is_shown() -> None:
    """Settings can be logged."""
    settings = Settings.from_environment(
        {"MARIADB_PASSWORD": "never shown", "KAFKA_CONFIG_SASL_PASSWORD": "never shown"}
    )
    assert "never shown" not in repr(settings)


def test_env_example_lists_every_setting_with_its_default() -> None:
    """.env.example and settings.py agree."""
    text, _ = (ROOT / ".env.example").read_text(encoding="utf-8").split("# For compose.yaml alone.")
    listed = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    passed_through = {name: listed.pop(name) for name in list(listed) if name.startswith("KAFKA_CONFIG_")}
    assert passed_through
    expected = {}
    for spec in fields(Settings):
        if "parse" not in spec.metadata:
            continue
        default = "" if spec.default in (None, MISSING) else spec.default
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        expected[variable_of(spec)] = str(int(default)) if isinstance(default, bool) else str(default)
    assert listed == expected
    for spec in fields(Settings):
        if "allowed" in spec.metadata:
            assert spec.metadata["allowed"] in text, f"{variable_of(spec)}: name what is allowed"
