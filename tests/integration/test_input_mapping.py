"""Topics of other shops, from the simulator or as their programs write them, counted as they are."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from process.errors import ExitCode
from settings import Settings
from tests.pipeline import ops, run_to_end, running
from tests.support import process_environment, produce, query, read_committed

NESTED = "visitDate:event.time,lastAction:event.type,country:context.geo.country,duration:event.engaged"
CLICKSTREAM = "visitDate:event_time,lastAction:event_type,country:=unknown,duration:=0"


def simulate(environment: dict[str, str], folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "simulate", *arguments]
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=process_environment(environment),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def run(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    """Run a command of ops; return what it has printed."""
    done = ops(environment, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "_shape",
    [
        pytest.param(name, marks=pytest.mark.environment(**variables))
        for name, variables in {
            "renamed": {"VISIT_FIELDS": "visitDate:event_time,lastAction:event_type,country:country_code"},
            "nested, milliseconds": {"VISIT_FIELDS": NESTED, "VISIT_DATE_FORMAT": "epoch_ms", "DURATION_UNIT": "ms"},
            "clickstream": {"VISIT_FIELDS": CLICKSTREAM, "CART_ACTION": "SHOPPING_CART,ORDER"},
            "seconds, json": {"VISIT_DATE_FORMAT": "epoch_s", "CARTS_FORMAT": "json", "MAX_DURATION_S": "300"},
            "microseconds, boards": {"VISIT_DATE_FORMAT": "epoch_us", "BOARDS": "country/action,country"},
            "limited": {"MAX_FUTURE": "1d", "NAIVE_TIMEZONE": "Europe/Berlin"},
        }.items()
    ],
)
def test_the_simulator_writes_what_the_settings_say_and_all_of_it_is_counted(
    settings: Settings, environment: dict[str, str], tmp_path: Path, _shape: str
) -> None:
    """The recount and the simulator's truth agree with the database, rejects and carts included."""
    anomalies = ["--malformed-share", "0.05", "--late-share", "0.05", "--duplicate-share", "0.01"]
    simulate(environment, tmp_path, "--count", "6000", "--rate", "0", *anomalies, "--truth", "truth.json")
    run_to_end(environment, tmp_path)
    assert "PASS: 4 partitions, 6000 messages" in run(environment, "verify", "--truth", f"{tmp_path}/truth.json")
    (visits,), (rejected,) = query(
        settings, "SELECT SUM(visits) FROM progress UNION ALL SELECT SUM(rejected) FROM progress"
    )
    assert visits > 5000
    assert rejected > 200


@pytest.mark.environment(VISIT_DATE_FORMAT="epoch_ms")
def test_the_records_of_the_spark_programs_generator(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Milliseconds since 1970 as digits in a string."""
    value = '{"visitDate": "1772359200123", "country": "NOR", "lastAction": "SHOPPING_CART", "duration": 17}'
    produce(settings, [(0, value), (1, value.replace('"1772359200123"', "1772359200123"))])
    run_to_end(environment, tmp_path)
    assert "PASS" in run(environment, "verify")
    assert [record.value for record in read_committed(settings, settings.carts_topic)] == [
        b"2026-03-01T10:00:00.123Z,NOR,SHOPPING_CART,17"
    ] * 2
    assert query(settings, "SELECT duration_s, visits FROM window_totals WHERE length_s = 5 AND board = 'country'") == [
        (34, 2)
    ]


@pytest.mark.environment(VISIT_FIELDS=CLICKSTREAM, CART_ACTION="cart", CARTS_FORMAT="json")
def test_a_clickstream_without_country_and_duration(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Constants stand for what it does not have; its carts are JSON."""
    event: dict[str, Any] = {
        "event_time": "2019-11-01T00:00:00Z",
        "event_type": "cart",
        "product_id": 1003461,
        "category_code": "electronics.smartphone",
        "brand": "xiaomi",
        "price": 489.07,
        "user_id": 520088904,
        "user_session": "4d3b30da-a5e4-49df-b1a8-ba5943f1dd33",
    }
    produce(settings, [(0, json.dumps(event)), (0, json.dumps(event | {"event_type": "view"}))])
    run_to_end(environment, tmp_path)
    assert "PASS" in run(environment, "verify")
    line = b'{"visitDate":"2019-11-01T00:00:00.000Z","country":"unknown","lastAction":"cart","duration":0}'
    assert [record.value for record in read_committed(settings, settings.carts_topic)] == [line]
    totals = "SELECT entry, duration_s, visits FROM window_totals WHERE length_s = 5 ORDER BY entry"
    assert query(settings, totals) == [("cart", 0, 1), ("unknown", 0, 2), ("view", 0, 1)]


@pytest.mark.environment(
    VISIT_FIELDS="visitDate:timestamp,lastAction:event,country:context.location.country,duration:properties.engaged_ms",
    DURATION_UNIT="ms",
    CART_ACTION="Cart Viewed,Checkout Started",
)
def test_a_nested_event(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Fields inside objects, milliseconds, and several actions that are carts."""
    event = {
        "type": "track",
        "event": "Cart Viewed",
        "timestamp": "2026-03-01T10:00:00.123Z",
        "context": {"location": {"country": "Norway", "city": "Oslo"}, "ip": "8.8.8.8"},
        "properties": {"engaged_ms": 17_499, "cart_id": "d92jd29jd92"},
    }
    produce(
        settings, [(0, json.dumps(event | {"event": name})) for name in ("Cart Viewed", "Checkout Started", "Other")]
    )
    run_to_end(environment, tmp_path)
    assert "PASS" in run(environment, "verify")
    assert [record.value for record in read_committed(settings, settings.carts_topic)] == [
        b"2026-03-01T10:00:00.123Z,Norway,Cart Viewed,17",
        b"2026-03-01T10:00:00.123Z,Norway,Checkout Started,17",
    ]


def test_visits_dated_ahead_are_rejected_where_that_is_set(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Off by default; another limit than the database's is refused."""
    visit = '{"visitDate": "2062-03-01T10:00:00Z", "country": "NOR", "lastAction": "ORDER", "duration": 17}'
    produce(settings, [(0, visit)])
    run_to_end(environment, tmp_path)
    assert query(settings, "SELECT SUM(visits), SUM(rejected) FROM progress") == [(1, 0)]
    limited = environment | {"MAX_FUTURE": "1d"}
    refusal = "MAX_FUTURE is '86400s', but database"
    assert refusal in run(limited, "provision", code=ExitCode.CONFIG)
    run(limited, "reset", "--yes")
    run_to_end(limited, tmp_path)
    assert query(settings, "SELECT SUM(visits), SUM(rejected) FROM progress") == [(0, 1)]
    (reject,) = read_committed(settings, settings.rejected_topic)
    assert dict(reject.headers)["reason"] == b"future"
    assert "PASS" in run(limited, "verify")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"VISIT_FIELDS": "country:land"}, "VISIT_FIELDS is 'country:land', but database"),
        ({"VISIT_DATE_FORMAT": "epoch_ms"}, "VISIT_DATE_FORMAT is 'epoch_ms', but database"),
        ({"DURATION_UNIT": "ms"}, "DURATION_UNIT is 'ms', but database"),
        ({"MAX_DURATION_S": "600"}, "MAX_DURATION_S is 600, but database"),
        ({"CART_ACTION": "CART"}, "the list of outputs (CART_ACTION, CARTS_FORMAT) is"),
        ({"CARTS_FORMAT": "json"}, "the list of outputs (CART_ACTION, CARTS_FORMAT) is"),
        ({"BOARDS": "country"}, "BOARDS is 'country', but database"),
        ({"BOARDS": "city"}, "BOARDS is 'city', but must be of action, country, country/action"),
    ],
)
def test_what_the_database_was_provisioned_with_stays(
    settings: Settings, environment: dict[str, str], tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    """Dataflow and provision refuse another rule, board or output with one message, and change nothing."""
    before = query(settings, "SELECT * FROM pipeline")
    assert message in run(environment | variables, "provision", code=ExitCode.CONFIG)
    with running(environment | variables, tmp_path) as dataflow:
        assert dataflow.wait() == [ExitCode.CONFIG]
        assert message in dataflow.output()
    assert query(settings, "SELECT * FROM pipeline") == before
