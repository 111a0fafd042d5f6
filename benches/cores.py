"""Which processor the server of a network workload gets, and which the load."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


@dataclass(frozen=True)
class Cores:
    """Two processors, or none where there is only one, or where a process cannot choose."""

    server: int | None
    load: int | None

    @property
    def apart(self) -> bool:
        """Whether the load has a processor to itself, and may ask for replies without pause."""
        return self.load is not None

    def describe(self) -> str:
        if not self.apart:
            return "server and load share what processors there are: network rows say little"
        same = " (two threads of one core)" if self.load in siblings(self.server) else ""
        return f"server on processor {self.server}, load on processor {self.load}{same}"


def choose() -> Cores:
    """The last two processors that this process may use, of different cores if there are such."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    server, *others = allowed
    if not others:
        return Cores(None, None)
    strangers = [cpu for cpu in others if cpu not in siblings(server)]
    return Cores(server, (strangers or others)[0])


def siblings(cpu: int | None) -> set[int]:
    """The processors that are threads of the same core as this one, as far as the system tells."""
    try:
        text = Path(TOPOLOGY.format(cpu)).read_text().strip()
    except OSError:
        return set()
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """What is started inside runs on this processor, and this process does too for so long."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
