"""Detects that the input topic was deleted, created anew or has grown: a consumer does not notice."""

import logging
import threading

from confluent_kafka.admin import AdminClient

from clients import kafka
from partition.pipeline import Pipeline
from partition.provisioned import grown_message, recreated_message
from process.errors import ExitCode, Fatal
from settings import Settings

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 10.0


class TopicWatch:
    """Polls the input topic's id and number of partitions, once every 10 s for the whole process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._users = 0
        self._stopped = threading.Event()
        self.found: Fatal | None = None

    def start(self, pipeline: Pipeline, admin: AdminClient) -> None:
        """Begin to poll, unless that has begun."""
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            self._stopped = threading.Event()
        arguments = (pipeline, admin, self._stopped)
        threading.Thread(target=self._poll, args=arguments, name="topic-watch", daemon=True).start()

    def stop(self) -> None:
        """Stop polling when the last user stops."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._stopped.set()

    def _poll(self, pipeline: Pipeline, admin: AdminClient, stopped: threading.Event) -> None:
        while not stopped.wait(POLL_INTERVAL_S):
            try:
                self.found = self.found or self._difference(pipeline, admin)
            except Fatal as fatal:  # an outage is no difference: readers and writers decide how long to wait
                logger.warning("%s", fatal.message, extra={"action": "watch"})

    def _difference(self, pipeline: Pipeline, admin: AdminClient) -> Fatal | None:
        name = self._settings.visits_topic
        topic = kafka.describe(admin, self._settings, [name])[name]
        if topic is None:
            message = f"topic {name!r} has been deleted; restore it, or start over by python -m ops reset --yes"
            return Fatal(message, ExitCode.DATA)
        if topic.topic_id != pipeline.topic_id:
            return Fatal(recreated_message(topic, pipeline.topic_id), ExitCode.DATA)
        if topic.partitions != pipeline.partitions:
            return Fatal(grown_message(topic, pipeline.partitions), ExitCode.CONFIG)
        return None
