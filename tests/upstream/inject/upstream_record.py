"""A pytest plugin that writes down what became of each test, and whose loops the tests ran on.

Every process of a run appends lines of JSON to the file that ROUNDELAY_UPSTREAM_RECORD names. Under
pytest-xdist the process that hands out the tests tells of their outcomes, and all of them tell of their
loops.
"""

import asyncio
import asyncio.base_events
import json
import os
from typing import Any

import pytest

_loops = {"asyncio": 0, "roundelay": 0}


def _count_loops() -> None:
    """Count every loop of asyncio's or of a class derived from it, which ours is, as it is made."""
    stock: Any = asyncio.base_events.BaseEventLoop.__init__

    def counted(self: Any) -> None:
        bases = {base.__module__.partition(".")[0] for base in type(self).__mro__}
        _loops["roundelay" if "roundelay" in bases else "asyncio"] += 1
        stock(self)

    asyncio.base_events.BaseEventLoop.__init__ = counted  # type: ignore[method-assign]


def _append(record: dict[str, Any]) -> None:
    with open(os.environ["ROUNDELAY_UPSTREAM_RECORD"], "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


class Recorder:
    """The hooks of the one process that knows all outcomes."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            outcome = report.outcome
            if hasattr(report, "wasxfail"):
                outcome = "xfailed" if report.skipped else "xpassed"  # type: ignore[assignment]
            _append({"test": report.nodeid, "outcome": outcome, "detail": report.longreprtext})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            _append({"test": report.nodeid, "outcome": "failed", "detail": report.longreprtext})


def pytest_configure(config: pytest.Config) -> None:
    _count_loops()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


def pytest_sessionfinish(session: pytest.Session) -> None:
    _append({"loops": _loops})
