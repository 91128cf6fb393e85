"""Hosts of a network of their own: Linux network namespaces around a switch, each with a link that can fail."""

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network
from typing import Any
from uuid import uuid4

import pytest

from ops.servers import ROOT


class Network:
    """Some hosts, 10.x.y.2 and on, and this machine, 10.x.y.1; servers here are reached from there.

    The switch is a bridge in a namespace too, so that no firewall of this machine stands between the hosts.
    """

    def __init__(self, hosts: int) -> None:
        self._name = f"wa{uuid4().hex[:6]}"
        self._subnet = _free_subnet()
        self.here = str(self._subnet[1])
        self.addresses = [str(self._subnet[2 + host]) for host in range(hosts)]
        self._stack = ExitStack()

    def __enter__(self) -> "Network":
        """Make namespaces and links, all or none."""
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all processes on the hosts, and remove the hosts; their links are removed with the namespaces."""
        self._stack.close()

    @contextmanager
    def link_down(self, host: int) -> Iterator[None]:
        """Take a host's link down for as long as this lasts."""
        self._link(host, "down")
        try:
            yield
        finally:
            self._link(host, "up")

    def retransmissions(self, host: int) -> int:
        """Return the retransmissions without an acknowledgement of the worst of the host's connections."""
        listed = self._output(host, ["ss", "-tno", "state", "established"])
        return max((int(count) for count in re.findall(r"timer:\(on,[^,]*,(\d+)\)", listed)), default=0)

    def start(
        self, host: int | None, command: list[str], environ: Mapping[str, str], **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process on a host, or here; it is killed before the network is removed."""
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [*self._enter(host), *command], cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, **options
        )
        self._stack.callback(_kill, process)
        return process

    def serve(self, addresses: list[str], *, advertised: list[str]) -> None:
        """Let the hosts reach servers that listen on 127.0.0.1 here, at this machine's address in the network.

        The address that a server advertises to its clients is forwarded at their own 127.0.0.1.
        """
        ports = [address.rpartition(":")[2] for address in addresses]
        self._forward(None, [f"{self.here}:{port}" for port in ports], addresses)
        for host in range(len(self.addresses)):
            targets = [f"{self.here}:{address.rpartition(':')[2]}" for address in advertised]
            self._forward(host, advertised, targets)

    def _forward(self, host: int | None, sources: list[str], targets: list[str]) -> None:
        pairs = [address for pair in zip(sources, targets, strict=True) for address in pair]
        command = [sys.executable, "-m", "tests.forwarder", *pairs]
        process = self.start(host, command, os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        self._stack.callback(process.stdout.close)
        assert process.stdout.readline() == b"ready\n"

    def _build(self) -> None:
        switch = self._namespace("s")
        _ip("-n", switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", switch, "link", "set", "br0", "up")
        outside = f"{self._name}o"
        _ip("link", "add", outside, "type", "veth", "peer", "name", "here", "netns", switch)
        self._stack.callback(_ip, "link", "del", outside)
        _ip("addr", "add", f"{self.here}/24", "dev", outside)
        _ip("link", "set", outside, "up")
        self._plug_in("here")
        for host, address in enumerate(self.addresses):
            namespace = self._namespace(str(host))
            _ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{host}", "netns", switch)
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                _ip("-n", namespace, "link", "set", link, "up")
            self._plug_in(f"port{host}")

    def _enter(self, host: int | None) -> list[str]:
        return [] if host is None else ["ip", "netns", "exec", f"{self._name}{host}"]

    def _output(self, host: int, command: list[str]) -> str:
        return subprocess.run([*self._enter(host), *command], capture_output=True, text=True, check=True).stdout

    def _namespace(self, suffix: str) -> str:
        name = self._name + suffix
        _ip("netns", "add", name)
        self._stack.callback(_ip, "netns", "del", name)
        return name

    def _plug_in(self, port: str) -> None:
        _ip("-n", f"{self._name}s", "link", "set", port, "master", "br0", "up")

    def _link(self, host: int, state: str) -> None:
        _ip("-n", f"{self._name}s", "link", "set", f"port{host}", state)


def refuse_without_rights() -> None:
    """Skip the test, or fail it in CI, where namespaces cannot be created."""
    if os.geteuid() == 0 and shutil.which("ip") and shutil.which("ss") and _may_unshare():
        return
    reason = "a cluster of several hosts needs root, network namespaces, and ip and ss of iproute2"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _may_unshare() -> bool:
    command = ["unshare", "--net", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _free_subnet() -> IPv4Network:
    taken = _ip("-4", "route", "show", "table", "all")
    while True:
        subnet = IPv4Network(f"10.{random.randrange(64, 250)}.{random.randrange(250)}.0/24")
        if str(subnet[0]).rpartition(".")[0] not in taken:
            return subnet


def _ip(*arguments: str) -> str:
    command = ["ip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(30)
