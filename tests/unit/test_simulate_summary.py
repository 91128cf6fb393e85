"""The run's summary: what its figures count."""

from clients.kafka import Topic
from settings import Settings
from simulate.arguments import options_of
from simulate.sender import Sender
from simulate.stats import RunStats
from simulate.summary import summary_of
from tests.support import wait_until


def test_a_connection_error_is_not_a_message() -> None:
    """Kafka's client counts errors that it has not delivered yet among what is in flight; the summary does not."""
    settings = Settings(kafka_bootstrap_servers="127.0.0.1:1")
    sender = Sender(settings, Topic("visits", "an id", 4))
    wait_until(lambda: sender.in_flight, deadline_s=10, what="an error that has not been delivered")
    summary = summary_of(RunStats(sender, None), settings, options_of([]), truth=None)
    assert (summary.messages, summary.visits, summary.rate) == (0, 0, 0)
