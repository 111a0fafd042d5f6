"""Runs a suite's tests on one loop, and compares what became of them on two."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from prepare import CACHE, Prepared
from suites import HERE, Excuse, Suite

INJECT = HERE / "inject"
LOGS = CACHE / "logs"
OURS, STOCK = "roundelay", "asyncio"
AGAIN = 3
"""How often tests that fail on roundelay only are run again, on both loops."""

# Of several records of one test, as when it passes and its teardown fails, the last of these counts.
_ORDER = ("skipped", "passed", "xfailed", "xpassed", "failed")
GOOD = ("passed", "xfailed", "xpassed")
TEST_SECONDS = 60
"""For one test."""


@dataclass
class Run:
    """What became of a suite's tests on one loop."""

    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    loops: Counter[str] = field(default_factory=Counter)
    """How many loops the tests made, by whose they were."""
    ending: str = ""
    """What ended the run before its time; empty if it ended by itself."""

    def counts(self) -> str:
        found = Counter(self.outcomes.values())
        failed = f"{found['failed']} failed" + (f", {self.ending}" if self.ending else "")
        return f"{sum(found[kind] for kind in GOOD)} passed, {failed}"


def run(suite: Suite, prepared: Prepared, loop: str, ours: Path, prefix: list[str], tests: list[str]) -> Run:
    """Run these tests (arguments of pytest) with the loop injected; `ours` is a folder with roundelay."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as record:
        environment = {
            **os.environ,
            **suite.environment,
            "PYTHONPATH": os.pathsep.join([str(INJECT), *([str(ours)] if loop == OURS else [])]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ROUNDELAY_UPSTREAM_LOOP": loop,
            "ROUNDELAY_UPSTREAM_RECORD": record.name,
        }
        # Its own options for coverage and the number of processes are not for us.
        options = ["-p", "upstream_record", "-p", "no:cacheprovider", "-o", "addopts=", "--tb=short", "-q"]
        options += ["-n", str(suite.processes)] if suite.processes > 1 else []
        # Nor is what pytest would find in a folder above.
        configured = any((prepared.folder / name).exists() for name in ("pytest.ini", "pyproject.toml"))
        options += [] if configured else ["--config-file=/dev/null"]
        options += [
            f"--rootdir={prepared.folder}",
            f"--timeout={TEST_SECONDS}",
            "-o",
            "faulthandler_timeout=0",
        ]
        command = [*prefix, str(prepared.python), "-m", "pytest", *options, *tests]
        with (LOGS / f"{suite.name}-{loop}.log").open("a") as log:
            log.write(f"{shlex.join(command)}\n")
            log.flush()
            ending = _call(command, prepared.folder, environment, log.fileno(), suite.seconds)
        result = Run(ending=ending)
        _read(record, result)
    return result


def _call(command: list[str], folder: Path, environment: dict[str, str], log: int, seconds: float) -> str:
    """Run it to its end, at most so long. Returns what went wrong with the run itself, if anything did."""
    # A session of its own: what the tests leave running is ended with it.
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # 0: all passed. 1: some failed, which the outcomes tell.
    return "" if code in (0, 1) else f"pytest ended with exit status {code}"


def _read(lines: Iterable[str], result: Run) -> None:
    for line in lines:
        match json.loads(line):
            case {"loops": loops}:
                result.loops.update(loops)
            case {"test": test, "outcome": outcome, "detail": detail}:
                before = result.outcomes.get(test, _ORDER[0])
                result.outcomes[test] = max(before, outcome, key=_ORDER.index)
                if outcome == "failed":
                    result.details[test] = detail


def only_on_ours(ours: Run, stock: Run) -> list[str]:
    """Tests that do on asyncio and not on ours, where they fail, are skipped, or never ran."""
    suspects = [test for test, outcome in ours.outcomes.items() if outcome == "failed"]
    suspects += [test for test in stock.outcomes if ours.outcomes.get(test, "skipped") == "skipped"]
    return [test for test in suspects if stock.outcomes.get(test, "passed") in GOOD]


def files_of(tests: Iterable[str]) -> list[str]:
    """The files in which the tests are, in order: a test runs again among those that it ran among."""
    return list(dict.fromkeys(test.partition("::")[0] for test in tests))


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a test that failed on ours only, when it has been run again."""

    test: str
    failed: dict[str, int]
    """How often it failed on each loop, of all runs."""
    runs: int
    excuse: Excuse | None

    @property
    def kind(self) -> str:
        """`ours` is a failure that asyncio does not have; `unsteady`, `differs` and `chance` are none."""
        if self.excuse:
            return self.excuse.kind
        # It passed whenever it was run again, or it fails on asyncio too now and then.
        if self.failed[OURS] == 1 or self.failed[STOCK]:
            return "unsteady"
        return "ours"

    def __str__(self) -> str:
        times = ", ".join(f"{self.failed[loop]} of {self.runs} on {loop}" for loop in (OURS, STOCK))
        reason = f" ({' '.join(self.excuse.reason.split())})" if self.excuse else ""
        return f"{self.kind:9}{self.test}: failed {times}{reason}"


def judge(test: str, ours: list[Run], stock: list[Run], excuses: list[Excuse]) -> Verdict:
    """Judge by all runs; one in which the test never ran counts as failed."""
    failed = {
        loop: sum(run.outcomes.get(test) not in GOOD for run in runs)
        for loop, runs in ((OURS, ours), (STOCK, stock))
    }
    excuse = next((excuse for excuse in excuses if excuse.match(test)), None)
    return Verdict(test, failed, len(ours), excuse)
