"""The run in the end: what its figures count."""

from clients.kafka import Topic
from settings import Settings
from simulate.arguments import options_of
from simulate.sender import Sender
from simulate.summary import summary_of
from simulate.tally import Tally
from tests.support import wait_until


def test_an_error_of_the_connection_is_no_message() -> None:
    """Kafka's client counts errors that it has not told yet among what is under way; the summary does not."""
    settings = Settings(kafka_bootstrap_servers="127.0.0.1:1")
    sender = Sender(settings, Topic("visits", "an id", 4))
    wait_until(lambda: sender.under_way, deadline_s=10, what="an error that waits to be told")
    summary = summary_of(Tally(sender, None), settings, options_of([]), truth=None)
    assert (summary.messages, summary.visits, summary.rate) == (0, 0, 0)
