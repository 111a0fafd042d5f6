"""Servers, measured from outside: the server is one process on one processor, the load another on another.

A row says how long one request took while so many connections made them, each waiting for its reply before
its next one; in parentheses, how much of a processor's time the server's process spent on it. The first is
what users get out of a machine, and with one connection it is mostly the time that the system takes to wake
two processes. The second is what a loop costs.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cores
import load
import loops
from processes import Process, ProcessFailed

from .registry import PROCESSOR, Quantity, Workload, register

SERVE = Path(__file__).parents[1] / "serve.py"

TOGETHER = Path(__file__).parents[1] / "together.lua"
"""Has the connections of `wrk` wait for each other."""

PAUSE = 2
"""For so many seconds; that is enough for the slowest loop to accept a thousand."""

FEW = 100
"""Up to so many connections need not wait: every loop has accepted them by the time they make a request."""

START = 20.0
"""Seconds within which a server is there, and the load connected to it."""

PATIENCE = 30.0
"""Seconds for a command to the load. It gives up by itself when nothing comes any more for four."""

STYLES = {
    "protocol": "echo over a Protocol",
    "buffered": "echo over a BufferedProtocol",
    "read": "echo over streams, read()",
    "readline": "echo over streams, readline()",
    "sock": "echo over sock_recv() and sock_sendall()",
    "tls": "echo over TLS streams, read()",
}
"""The servers of `servers.py` that echo a stream of bytes, and what they are called."""

SIZES = {"1k": ("1 KiB", 2**10, 30_000), "64k": ("64 KiB", 2**16, 5_000), "1m": ("1 MiB", 2**20, 300)}
"""Sizes of a request: what they are called, in bytes, and how many requests are made in one pass."""

CONNECTIONS = (1, 10, 1000)


def connections_text(connections: int) -> str:
    return f"{connections:,} connection{'s' if connections > 1 else ''}"


@dataclass(frozen=True, kw_only=True)
class Served(Workload):
    """A server under load. Its rows are in nanoseconds for one request."""

    style: str
    connections: int

    def serve(self, loop: str) -> Process:
        """The server's process, which will say its port."""
        command = [sys.executable, str(SERVE), loop, self.style]
        return Process(f"the server of {loop}", command, cores.choose().server)

    def sample(self, elapsed: float, processor: float | None, count: int) -> dict[str, float]:
        """What the rows get out of so many requests in so many seconds."""
        found = {self.name: elapsed / count * 1e9}
        if processor is not None:
            found[self.name + PROCESSOR] = processor / count * 1e9
        return found


@dataclass(frozen=True, kw_only=True)
class Echoed(Served):
    """Echo, under the load of our own program."""

    size: int
    count: int
    kind: str = "tcp"

    @property
    def limited(self) -> bool:
        return self.kind != "tls"

    def missing(self) -> str | None:
        return load.missing()

    def serve(self, loop: str) -> Process:
        if loop != loops.LIMIT:
            return super().serve(loop)
        command = [str(load.PROGRAM), "serve"] + ["--udp"] * (self.kind == "udp")
        return Process("the limit", command, cores.choose().server)

    def load(self, port: str) -> Process:
        """The load's process, which will say that it is ready."""
        chosen = cores.choose()
        command = [str(load.PROGRAM), "load", port, "--kind", self.kind, "--size", str(self.size)]
        command += ["--connections", str(self.connections)] + ["--spin"] * chosen.apart
        return Process("the load", command, chosen.load)

    def measure(self, loop: loops.Loop, passes: int, scale: float) -> dict[str, list[float]]:
        count = max(round(self.count * scale), self.connections)
        samples: dict[str, list[float]] = {}
        with self.serve(loop.name) as server, self.load(server.hear(START)) as client:
            assert client.hear(START) == "ready"
            # Not counted: it fills the caches of the interpreter, and shows that every byte comes back.
            client.say(f"check {max(count // 10, self.connections)}")
            client.hear(PATIENCE)
            for _ in range(passes):
                before = server.processor_time()
                client.say(f"go {count}")
                elapsed, _idle = map(int, client.hear(PATIENCE).split())
                after = server.processor_time()
                spent = None if before is None or after is None else after - before
                for name, value in self.sample(elapsed / 1e9, spent, count).items():
                    samples.setdefault(name, []).append(value)
        return samples


@dataclass(frozen=True, kw_only=True)
class Browsed(Served):
    """A web server, under the load of `wrk`."""

    def missing(self) -> str | None:
        if shutil.which("wrk") is None:
            return "no wrk on PATH; Debian has it in a package of that name"
        if importlib.util.find_spec(self.style) is None:
            return f"no {self.style} in this environment"
        return None

    def measure(self, loop: loops.Loop, passes: int, scale: float) -> dict[str, list[float]]:
        samples: dict[str, list[float]] = {}
        with self.serve(loop.name) as server:
            url = f"http://127.0.0.1:{server.hear(START)}/"
            self._browse(url, 1)
            for _ in range(passes):
                before = server.processor_time()
                # It counts in whole seconds.
                elapsed, count = self._browse(url, max(1, round(2 * scale)))
                after = server.processor_time()
                spent = None if before is None or after is None else after - before
                for name, value in self.sample(elapsed, spent, count).items():
                    samples.setdefault(name, []).append(value)
        return samples

    def _browse(self, url: str, seconds: int) -> tuple[float, int]:
        """Has `wrk` make requests for so many seconds; how long that was and how many they were."""
        command = ["wrk", "--threads", "1", "--connections", str(self.connections), "--timeout", "4s"]
        pause = PAUSE if self.connections > FEW else 0
        command += ["--duration", f"{seconds + pause}s"]
        if pause:
            command += ["--script", str(TOGETHER), url, "--", str(self.connections), str(pause * 1000)]
        else:
            command.append(url)
        with cores.pinned(cores.choose().load):
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        counted = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", done.stdout)
        problem = re.search(r"Non-2xx.*|Socket errors.*", done.stdout)
        if done.returncode != 0 or not counted or problem or int(counted[1]) == 0:
            said = problem[0] if problem else (done.stderr or done.stdout).strip()
            raise ProcessFailed(f"wrk: {said or 'nothing said'}")
        elapsed = float(counted[2]) * {"ms": 1e-3, "s": 1, "m": 60}[counted[3]]
        return elapsed - pause, int(counted[1])


def quantity(title: str) -> Quantity:
    return Quantity(title, "ns", processor=True)


for _style, _echo in STYLES.items():
    for _size, (_size_text, _bytes, _count) in SIZES.items():
        for _connections in CONNECTIONS:
            _name = f"net_{_style}_{_size}_{_connections}"
            register(
                Echoed(
                    name=_name,
                    group="network",
                    rows={_name: quantity(f"{_size_text} {_echo}, {connections_text(_connections)}")},
                    style=_style,
                    kind="tls" if _style == "tls" else "tcp",
                    connections=_connections,
                    size=_bytes,
                    count=_count,
                )
            )

# More at a time than these would not fit into the buffer of the server's one socket, and be lost.
for _connections in (1, 10):
    _name = f"net_udp_1k_{_connections}"
    register(
        Echoed(
            name=_name,
            group="network",
            rows={_name: quantity(f"1 KiB echo over UDP, {connections_text(_connections)}")},
            style="udp",
            kind="udp",
            connections=_connections,
            size=2**10,
            count=30_000,
        )
    )

for _style in ("uvicorn", "aiohttp"):
    for _connections in (10, 1000):
        _name = f"net_{_style}_{_connections}"
        register(
            Browsed(
                name=_name,
                group="network",
                rows={_name: quantity(f"HTTP through {_style}, {connections_text(_connections)}")},
                style=_style,
                connections=_connections,
            )
        )
