"""Apache Kafka, one node in KRaft mode, in the background."""

import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ops.servers import software
from ops.servers.local import LocalServer
from ops.servers.processes import environment, free_port
from process.errors import ExitCode, Fatal

# log.dirs is below the server's working directory: a comma, backslash or ü of the path would mean another one here.
# Small internal topics start quickly; messages of 64 MiB pass; nothing is deleted by age, whatever the visits'
# dates are. After a kill -9 a broker waits until its own last session has timed out: 9 s by default.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=5
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
message.max.bytes=67174400
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=16777216
"""


class Kafka(LocalServer):
    """A broker of this directory. It keeps its port and its data across stop, kill and start."""

    name = "Kafka"
    _stop_timeout_s = 20

    @property
    def address(self) -> str:
        """Return host:port."""
        return f"127.0.0.1:{self._notes.kafka_port}"

    def start(self) -> None:
        """Start it, unless it is running, and wait until it is ready.

        :raises Fatal: it cannot be started.
        """
        command: list[str] = []
        if self._daemon.pid() is None:
            java, jars = software.java(), software.kafka_jars()
            self._make_folders()
            properties = self._configure()
            self._format(java, jars, properties)
            options = ["-Xms256m", "-Xmx1g", "-XX:+PerfDisableSharedMem", f"-Djava.io.tmpdir={self._temporary}"]
            options += ["-Dorg.apache.logging.log4j.level=WARN", "-cp", f"{jars}/*"]
            command = [java, *options, "kafka.Kafka", str(properties)]
        self._daemon.start(command, is_ready=lambda: is_ready(self.address), timeout_s=180)

    def _configure(self) -> Path:
        self._notes.kafka_port = free_port(self._notes.kafka_port or None)
        self._notes.kafka_controller_port = free_port(self._notes.kafka_controller_port or None)
        self._notes.write(self._directory)
        path = self._folder / "server.properties"
        port, controller_port = self._notes.kafka_port, self._notes.kafka_controller_port
        text = _PROPERTIES.format(port=port, controller_port=controller_port)
        path.write_text(text, encoding="utf-8")
        return path

    def _format(self, java: str, jars: Path, properties: Path) -> None:
        if (self._data / "meta.properties").exists():
            return
        cluster_id = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        tool = [java, "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format", "-c", str(properties)]
        options = [f"--cluster-id={cluster_id}", "--ignore-formatted"]  # one word: an id may begin with a hyphen
        done = subprocess.run(
            [*tool, *options],
            cwd=self._folder,
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            output = (done.stderr or done.stdout).strip().splitlines()
            message = f"Kafka cannot format {self._data}: {output[-1] if output else 'no output'}"
            raise Fatal(message, ExitCode.CONFIG)


def is_ready(address: str) -> bool:
    """Request a broker's metadata; return False without a response within a second."""
    try:
        metadata = AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=1)
        return bool(metadata.brokers) and metadata.controller_id >= 0  # without it no topic can be created yet
    except KafkaException:
        return False
