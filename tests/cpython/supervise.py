"""Starts workers, watches them, and turns what they report into results.

A worker that dies or hangs loses only the test it was in: that one is recorded as failed, with
the stack that `faulthandler` printed, and a fresh worker goes on with the rest.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from plan import Variant

WORKER = Path(__file__).with_name("worker.py")

MAX_DEATHS = 25
"""A module whose workers keep dying is given up after this many, with the rest counted failed."""

GRACE = 60.0
"""Seconds beyond the per-test timeout for a worker to import its module or to shut down."""


@dataclass
class Result:
    """What became of one test."""

    test: str
    outcome: str
    detail: str = ""
    died: bool = False
    """The process crashed, left or hung in this test."""


@dataclass
class Job:
    """One module in one variant."""

    module: str
    variant: Variant
    timeout: float
    stock_names: dict[str, str] = field(default_factory=dict)
    """Reported name to the name that the same test has on unmodified asyncio."""

    @property
    def label(self) -> str:
        return self.variant.module_label(self.module)

    def list_tests(self) -> list[str]:
        """Names of all tests that this job has, without running any."""
        report = _run_worker(self, only=[], list_only=True)
        if report.tests is None:
            raise WorkerFailed(f"{self.label} ({self.variant.name}): {report.death}")
        self.stock_names = {self._full(name): self._full(stock) for name, stock in report.tests}
        return list(self.stock_names)

    def run(self, tests: list[str]) -> list[Result]:
        """Runs these tests, restarting the worker after each crash or hang."""
        results: dict[str, Result] = {}
        remaining = list(tests)
        for _ in range(MAX_DEATHS):
            short = [name.removeprefix(self.label + ".") for name in remaining]
            report = _run_worker(self, only=short, list_only=False)
            for result in report.results:
                result.test = self._full(result.test)
                results[result.test] = result
            if report.finished:
                break
            if report.running is None:
                for name in remaining:
                    results.setdefault(name, Result(name, "failed", report.death))
                break
            died_in = self._full(report.running)
            results[died_in] = Result(died_in, "failed", report.death, died=True)
            remaining = [name for name in remaining if name not in results]
            if not remaining:
                break
        for name in tests:
            results.setdefault(name, Result(name, "failed", "did not run: no result reported"))
        return list(results.values())

    def _full(self, name: str) -> str:
        return f"{self.label}.{name}"


class WorkerFailed(Exception):
    """A worker could not even list its tests."""


@dataclass
class _Report:
    """Everything one worker process said before it ended."""

    results: list[Result] = field(default_factory=list)
    tests: list[tuple[str, str]] | None = None
    running: str | None = None
    finished: bool = False
    death: str = ""


def _run_worker(job: Job, only: list[str], list_only: bool) -> _Report:
    read_end, write_end = os.pipe()
    order = {
        "module": job.module,
        "variant": job.variant.name,
        "timeout": job.timeout,
        "report_fd": write_end,
        "list_only": list_only,
        "only": only,
    }
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[write_end],
            # Some tests signal their own process group; that must not be ours.
            start_new_session=True,
        )
        os.close(write_end)
        report = _read(read_end, process, job.timeout + GRACE)
        code = process.wait()
        output.seek(0)
        text = output.read()
    if not report.finished:
        report.death = _describe_death(code, text, report.running)
    return report


def _read(read_end: int, process: subprocess.Popen[bytes], silence: float) -> _Report:
    """Reads records until the worker closes its end; kills a worker that falls silent."""
    report = _Report()
    watchdog = _Watchdog(process, silence)
    with os.fdopen(read_end, encoding="utf-8") as lines:
        for line in lines:
            watchdog.restart()
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                break  # The worker died in the middle of a line.
            match record:
                case {"start": name}:
                    report.running = name
                case {"end": name, "outcome": outcome, "detail": detail}:
                    report.results.append(Result(name, outcome, detail))
                    report.running = None
                case {"tests": tests}:
                    report.tests = [(name, stock) for name, stock in tests]
                case {"finished": True}:
                    report.finished = True
                    break
    watchdog.stop()
    return report


class _Watchdog:
    """Ends a worker that says nothing for too long: the backstop behind `faulthandler`.

    The whole process group goes, because a child that a test forked holds the pipe open too.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.process = process
        self.seconds = seconds
        self.timer = self._start()

    def restart(self) -> None:
        self.timer.cancel()
        self.timer = self._start()

    def stop(self) -> None:
        """Waits for the worker to leave, still under the watch, then ends the watch."""
        self.restart()
        self.process.wait()
        self.timer.cancel()

    def _start(self) -> threading.Timer:
        timer = threading.Timer(self.seconds, self._fire)
        timer.daemon = True
        timer.start()
        return timer

    def _fire(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def _describe_death(code: int, output: str, running: str | None) -> str:
    tail = "\n".join(output.strip().splitlines()[-60:])
    if "Timeout (" in output and code == 1:
        what = "hung, and was ended after the timeout"
    elif code < 0:
        what = f"the process was killed by signal {-code}"
    else:
        what = f"the process ended early with exit code {code}"
    where = "" if running else " outside any test"
    return f"{what}{where}\n{tail}"
