"""Metrics as Prometheus scrapes them."""

import socket
from collections.abc import Mapping
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from ops.servers.processes import free_port

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(port: int) -> Samples:
    """Return what a process serves."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        return parsed(response.read().decode())


def parsed(text: str) -> Samples:
    """Return the samples in Prometheus's text format."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of a metric over all that has these labels."""
    return sum(value for (found, of), value in samples.items() if found == name and labels.items() <= dict(of).items())


def free_ports(number: int) -> int:
    """Return the first of so many free ports in a row."""
    while True:
        first = free_port()
        if all(_is_free(first + more) for more in range(1, number)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
