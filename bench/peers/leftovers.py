"""What an engine creates in Kafka for itself: topics and consumer groups, named after the run's topic of carts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from clients import kafka
from process.errors import Fatal
from settings import Settings


@contextmanager
def removed(environ: Mapping[str, str]) -> Iterator[None]:
    """Remove it in the end, whatever happened."""
    settings = Settings.from_environment(environ)
    try:
        yield
    finally:
        with suppress(Fatal):  # Kafka is unavailable: what ended the run is reported already
            _remove(settings)


def _remove(settings: Settings) -> None:
    admin = kafka.admin_client(settings)
    prefix = f"{settings.carts_topic}."
    with kafka.translated("removing the benchmark's topics and groups"):
        topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
        groups = [each.group_id for each in admin.list_consumer_groups().result().valid]
        ours = [name for name in groups if name.startswith(prefix)]
        deletions = [*(admin.delete_topics(topics) if topics else {}).values()]
        deletions += (admin.delete_consumer_groups(ours) if ours else {}).values()
        for deletion in deletions:
            deletion.result()
