"""Runs the tests of one module in one variant and reports each result as a line of JSON.

Started by `supervise.py`, in a process of its own: a crash or a hang must not take the other
tests with it. The first argument is the whole order, as JSON; results go to the descriptor
that it names, so that nothing a test prints can be mistaken for one.
"""

import faulthandler
import importlib
import inspect
import json
import os
import sys
import traceback
import unittest
from collections.abc import Iterator
from typing import Any, TextIO

import plan
from classes import uses_by_class
from substitute import Stage


class Reporter(unittest.TestResult):
    """Writes one record at the start and one at the end of every test."""

    def __init__(self, out: TextIO, timeout: float, stage: Stage, names: dict[type, str]) -> None:
        super().__init__()
        self.out = out
        self.timeout = timeout
        self.stage = stage
        self.names = names
        self.outcome: tuple[str, str] | None = None
        """Worst outcome so far of the running test; a test may fail in several subtests."""

    def write(self, **record: Any) -> None:
        self.out.write(json.dumps(record) + "\n")
        self.out.flush()

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcome = None
        self.write(start=identity(test, self.names), stock=identity(test, {}))
        self.stage.before_each_test()
        faulthandler.dump_traceback_later(self.timeout, exit=True)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        outcome, detail = self.outcome or ("failed", "the test ended without any outcome")
        self.write(end=identity(test, self.names), outcome=outcome, detail=detail)
        super().stopTest(test)

    def settle(self, outcome: str, detail: str = "") -> None:
        if self.outcome is None or self.outcome[0] != "failed":
            self.outcome = (outcome, detail)

    def addSuccess(self, test: unittest.TestCase) -> None:
        if self.outcome is None:
            self.settle("passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if isinstance(test, unittest.TestCase):
            self.settle("skipped", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self.settle("passed")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.settle("failed", "passed although CPython expects this test to fail")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self.fail_with(test, err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self.fail_with(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self.fail_with(test, err)

    def fail_with(self, test: Any, err: Any) -> None:
        detail = "".join(traceback.format_exception(*err))
        if isinstance(test, unittest.TestCase):
            self.settle("failed", detail)
        else:
            # unittest's stand-in for a setUpClass, tearDownClass, setUpModule or tearDownModule.
            self.write(end=str(test), outcome="failed", detail=detail)


def identity(test: unittest.TestCase, names: dict[type, str]) -> str:
    cls = type(test)
    return f"{names.get(cls, cls.__name__)}.{test._testMethodName}"


def leaves(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from leaves(item)
        else:
            yield item


def collect(module: Any, variant: plan.Variant) -> tuple[list[unittest.TestCase], dict[type, str]]:
    """The tests of the module that this variant wants, and its classes' reported names."""
    uses = uses_by_class(inspect.getsource(module))
    names: dict[type, str] = {}
    tests = []
    for test in leaves(unittest.defaultTestLoader.loadTestsFromModule(module)):
        name = type(test).__name__
        used = uses.get(name, frozenset())
        if variant.wants(module.__name__, used):
            # Only what runs on ours is renamed: a class that uses neither keeps its name.
            names[type(test)] = variant.class_name(name)
            tests.append(test)
    return tests, names


def main() -> None:
    order = json.loads(sys.argv[1])
    out = os.fdopen(order["report_fd"], "w", encoding="utf-8")
    os.set_inheritable(out.fileno(), False)
    faulthandler.enable()
    variant = next(v for v in (plan.STOCK, *plan.VARIANTS) if v.name == order["variant"])
    stage = Stage(variant)
    stage.prepare(order["module"])
    module = importlib.import_module(order["module"])
    stage.adapt(module)
    tests, names = collect(module, variant)
    reporter = Reporter(out, order["timeout"], stage, names)
    if order["list_only"]:
        reporter.write(tests=[[identity(t, names), identity(t, {})] for t in tests])
    else:
        only = set(order["only"])
        unittest.TestSuite(t for t in tests if identity(t, names) in only).run(reporter)
    reporter.write(finished=True)
    out.close()


if __name__ == "__main__":
    main()
