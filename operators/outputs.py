"""The outputs: which visits go on to which topic, and as which lines. An output of your own is one more entry.

All of a batch's outputs are one Kafka transaction, so each visit is in each of its topics once, in order.
"""

from typing import NamedTuple

from process.errors import ExitCode, Fatal
from settings import Settings


class Output(NamedTuple):
    """Visits that end with one of `last_actions` go to `topic`, one record each; `line_format` is csv or json."""

    name: str
    topic: str
    last_actions: tuple[str, ...]
    line_format: str = "csv"


def outputs_of(settings: Settings) -> tuple[Output, ...]:
    """Return all outputs; the topic of the first names the producers.

    :raises Fatal: CONFIG, two outputs, or an output and another topic, have the same name.
    """
    outputs = (
        # its name, its topic, the last actions of its visits, the format of its lines
        Output("carts", settings.carts_topic, settings.cart_action, settings.carts_format),
    )
    topics = [settings.visits_topic, settings.rejected_topic, *(output.topic for output in outputs)]
    if len({topic.replace(".", "_") for topic in topics}) < len(topics):  # Kafka refuses to create such topics
        message = f"the topics {', '.join(topics)} must differ, by more than . in place of _"
        raise Fatal(message, ExitCode.CONFIG)
    return outputs


def output_topics(settings: Settings) -> tuple[str, ...]:
    """Return the topics that the dataflow writes to: those of the outputs, and that of rejected visits."""
    return (*(output.topic for output in outputs_of(settings)), settings.rejected_topic)
