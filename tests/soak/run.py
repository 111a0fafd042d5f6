"""A soak: clients of every kind against servers of every kind, for minutes, and nothing may grow.

    python tests/soak/run.py --seconds 300
    python tests/soak/run.py --seconds 60 --seed 7 --loop asyncio

Servers run in a process of their own. From time to time the clients finish what they are at, and both
processes are looked at while nothing is under way: memory, objects, descriptors, tasks, threads. What was
there after the warm-up is compared with what is there at the end. It fails when a bound is exceeded, when
an answer is wrong or does not come, and when anything is complained of: a warning, a log record, an
exception that nobody received.
"""

import argparse
import asyncio
import contextlib
import json
import random
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clients import NETWORK, Client, Scenario
from figures import Bounds, Figures, complaints, measure
from leaks import LEAKS
from local import LOCAL
from watch import Watch

CHECKPOINTS = 20
WARM_UP = 0.25
"""The share of the time after which nothing may grow any more."""
AT_ONCE = 30
SCENARIO_SECONDS = 30.0
"""What takes longer hangs."""


@dataclass(frozen=True)
class Checkpoint:
    seconds: float
    scenarios: int
    mib: float
    """There and back, so far."""
    clients: Figures
    servers: Figures


class Soak:
    def __init__(self, options: argparse.Namespace, watch: Watch) -> None:
        self.options = options
        self.watch = watch
        self.random = random.Random(options.seed)
        self.weights: dict[Scenario, int] = {**NETWORK, **LOCAL}
        if options.leak:
            self.weights[LEAKS[options.leak]] = 5
        self.ran: Counter[str] = Counter()
        self.bytes = 0
        self.checkpoints: list[Checkpoint] = []
        self.problems: list[str] = []

    async def main(self) -> None:
        self.watch.attach(asyncio.get_running_loop())
        servers = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("server.py")),
            self.options.loop,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert servers.stdin is not None
        assert servers.stdout is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        addresses = json.loads(await servers.stdout.readline())
        addresses = {name: tuple(it) if isinstance(it, list) else it for name, it in addresses.items()}
        self.client = Client(addresses, self.random, context)
        try:
            await self.checkpoints_until_the_end(servers)
        finally:
            servers.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(servers.wait(), 10)
            if servers.returncode is None:
                servers.kill()
                self.problems.append("servers: did not end by themselves")
            elif servers.returncode != 0:
                self.problems.append(f"servers: ended with exit status {servers.returncode}")

    async def checkpoints_until_the_end(self, servers: asyncio.subprocess.Process) -> None:
        began = time.monotonic()
        length = self.options.seconds / CHECKPOINTS
        for number in range(CHECKPOINTS):
            until = began + (number + 1) * length
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self.work(until))
            servers.stdin.write(b"check\n")  # type: ignore[union-attr]
            answer = json.loads(await servers.stdout.readline())  # type: ignore[union-attr]
            self.problems += [f"servers: {text}" for text in answer["complaints"]]
            self.problems += [f"clients: {text}" for text in self.watch.taken()]
            checkpoint = Checkpoint(
                time.monotonic() - began,
                self.ran.total(),
                self.bytes / 2**20,
                measure(),
                Figures(**answer["figures"]),
            )
            self.checkpoints.append(checkpoint)
            print(f"\r{checkpoint.seconds:5.0f} s", end="", file=sys.stderr, flush=True)
            if self.problems:
                break
        print(file=sys.stderr)

    async def work(self, until: float) -> None:
        """Run scenarios one after the other."""
        while time.monotonic() < until and not self.problems:
            (scenario,) = self.random.choices(list(self.weights), list(self.weights.values()))
            try:
                async with asyncio.timeout(SCENARIO_SECONDS):
                    count = await scenario(self.client)
                self.bytes += count
            except Exception as error:
                self.problems.append(f"{scenario.__name__}: {error!r}")
            self.ran[scenario.__name__] += 1

    def report(self) -> int:
        """Print the table and what is wrong; the exit status."""
        print("scenarios: " + ", ".join(f"{name} {times}" for name, times in self.ran.most_common()))
        print(table(self.checkpoints))
        warm = [it for it in self.checkpoints if it.seconds > WARM_UP * self.options.seconds]
        if not self.problems:
            for name in ("clients", "servers"):
                self.problems += complaints(name, [getattr(it, name) for it in warm], Bounds())
        for problem in self.problems:
            print(problem)
        print("FAILED" if self.problems else "nothing grew, nothing was lost")
        return 1 if self.problems else 0


def table(checkpoints: list[Checkpoint]) -> str:
    columns: list[tuple[str, Callable[[Checkpoint], str]]] = [
        ("seconds", lambda it: f"{it.seconds:.1f}"),
        ("scenarios", lambda it: f"{it.scenarios}"),
        ("MiB", lambda it: f"{it.mib:.0f}"),
    ]
    for who in ("clients", "servers"):
        columns += [
            (f"{who}: MiB", lambda it, who=who: f"{getattr(it, who).memory:.2f}"),
            ("objects", lambda it, who=who: f"{getattr(it, who).objects}"),
            ("fds", lambda it, who=who: f"{getattr(it, who).descriptors}"),
            ("tasks", lambda it, who=who: f"{getattr(it, who).tasks}"),
            ("threads", lambda it, who=who: f"{getattr(it, who).threads}"),
        ]
    rows = [[title for title, _ in columns]]
    rows += [[show(checkpoint) for _, show in columns] for checkpoint in checkpoints]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0, help="how long; default 300")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--loop", choices=("roundelay", "asyncio"), default="roundelay")
    parser.add_argument("--leak", choices=LEAKS, help="leak one of these on purpose")
    options = parser.parse_args()
    print(f"{options.seconds:g} s on {options.loop}, seed {options.seed}", flush=True)
    with Watch() as watch:
        soak = Soak(options, watch)
        watch.run(soak.main(), options.loop)
        return soak.report()


if __name__ == "__main__":
    sys.exit(main())
