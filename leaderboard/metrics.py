"""The leaderboard's metrics for Prometheus: how far the dataflow is behind is seen here although it may be dead."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from leaderboard.hub import Hub

PREFIX = "website_analytics_leaderboard"


class _Figures(Collector):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterable[GaugeMetricFamily]:
        status = self._hub.status()
        yield GaugeMetricFamily(f"{PREFIX}_viewers", "Streams that are open.", self._hub.viewers())
        yield GaugeMetricFamily(f"{PREFIX}_poll_seconds", "Time of the latest poll of MariaDB.", self._hub.poll_s())
        yield GaugeMetricFamily(f"{PREFIX}_live", "1 while the figures are live.", int(status.state == "live"))
        lag = GaugeMetricFamily(f"{PREFIX}_lag_messages", "Messages that wait in Kafka.", labels=["partition"])
        for partition in status.partitions:
            if partition.lag is not None:
                lag.add_metric([str(partition.partition)], partition.lag)
        yield lag
        for name in ("messages", "visits", "rejected"):
            value = getattr(status, name)
            if value is not None:
                yield GaugeMetricFamily(f"{PREFIX}_{name}", f"{name} in the database.".capitalize(), value)
        if status.as_of is not None:
            text = "The date of the latest visit counted, seconds since 1970 UTC."
            yield GaugeMetricFamily(f"{PREFIX}_as_of_timestamp_seconds", text, status.as_of.timestamp())


async def metrics(request: Request) -> Response:
    """/metrics, in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Figures(request.state.hub))
    return Response(generate_latest(registry), 200, {"Cache-Control": "no-store"}, CONTENT_TYPE_LATEST)
