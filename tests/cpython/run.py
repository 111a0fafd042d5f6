"""Runs CPython's own asyncio tests, those of the running interpreter, against roundelay.

    python tests/cpython/run.py                      every module, every variant
    python tests/cpython/run.py -m test_tasks -k cancel
    python tests/cpython/run.py --stock              the same tests on unmodified asyncio

The last line is always `N passed, N failed, N skipped`; the exit code is 0 only if nothing
failed. What is left out, and why, stands in `exclusions.toml`. What that file says differs is run
all the same, counts as skipped, and is an error where it passes.
"""

import argparse
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase

import exclusions
import plan
from supervise import Job, Result, WorkerFailed


def main() -> int:
    options = parse_arguments()
    if not plan.test_suite_installed():
        print("this Python comes without its test package (on Debian: libpython3-testsuite)")
        return 2
    try:
        rules = exclusions.Exclusions(exclusions.load())
    except exclusions.BadExclusions as error:
        print(f"exclusions: {error}")
        return 2
    session = Session(options, rules)
    try:
        session.run()
    except WorkerFailed as error:
        print(error)
        print("0 passed, 1 failed, 0 skipped")
        return 1
    return session.report()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--modules", nargs="+", default=[], metavar="MODULE")
    parser.add_argument("-k", dest="pattern", help="part of a test's name, or a shell pattern")
    parser.add_argument("-V", "--variants", nargs="+", choices=[v.name for v in plan.VARIANTS])
    parser.add_argument("-j", "--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument("-t", "--timeout", type=float, default=60.0, help="seconds for one test")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every test")
    parser.add_argument("--stock", action="store_true", help="run on unmodified asyncio")
    parser.add_argument("--list-excluded", action="store_true")
    parser.add_argument(
        "--check-exclusions",
        action="store_true",
        help="run nothing but what exclusions.toml expects to fail",
    )
    options = parser.parse_args()
    known = {module.rpartition(".")[2]: module for module in plan.MODULES}
    names = [name.rpartition(".")[2] for name in options.modules]
    for name in names:
        if name not in known:
            parser.error(f"unknown module {name!r}; choose from {', '.join(known)}")
    options.modules = [known[name] for name in names] or list(plan.MODULES)
    return options


class Session:
    """One call of the driver."""

    def __init__(self, options: argparse.Namespace, rules: exclusions.Exclusions) -> None:
        self.options = options
        self.rules = rules
        self.results: list[Result] = []
        self.expected: list[Result] = []
        """What became of the tests that the data file expects to fail, and that did not crash or hang."""
        self.jobs: dict[str, Job] = {}
        """Reported test name to the job that ran it."""
        self.excluded: list[tuple[str, exclusions.Exclusion]] = []
        self.differs: set[str] = set()
        """Tests that the data file expects to fail."""
        self.labels: set[str] = set()
        self.errors: list[str] = []
        self.lock = threading.Lock()

    def run(self) -> None:
        jobs = self.plan_jobs()
        with ThreadPoolExecutor(max(1, self.options.jobs)) as pool:
            orders = list(zip(jobs, pool.map(Job.list_tests, jobs), strict=True))
            work = [(job, self.select(job, tests)) for job, tests in orders]
            if not self.options.list_excluded:
                list(pool.map(self.run_job, [item for item in work if item[1]]))
        # A part of the tests cannot say which entries nothing needs.
        if not (self.options.pattern or self.options.variants or self.options.stock):
            for entry in self.rules.unused(self.labels):
                self.errors.append(f"exclusions.toml: {entry.pattern!r} matches no test")

    def plan_jobs(self) -> list[Job]:
        variants = [plan.STOCK] if self.options.stock else list(plan.VARIANTS)
        if self.options.variants:
            variants = [v for v in variants if v.name in self.options.variants]
        modules = [module for module in self.options.modules if plan.available(module)]
        return [Job(module, variant, self.options.timeout) for module in modules for variant in variants]

    def select(self, job: Job, tests: list[str]) -> list[str]:
        """Filters by `-k`, and by the exclusions that are not even expected to run."""
        pattern = self.options.pattern
        if pattern:
            tests = [name for name in tests if pattern in name or fnmatchcase(name, pattern)]
        self.labels.add(job.label)
        twice = [name for name in tests if name in self.jobs]
        self.errors += [f"two variants report a test by the same name: {name}" for name in twice]
        self.jobs.update(dict.fromkeys(tests, job))
        if self.options.stock:
            return tests
        rules = {name: self.rules.match(name) for name in tests}
        self.excluded += [(name, rule) for name, rule in rules.items() if rule]
        self.differs |= {name for name, rule in rules.items() if rule and rule.kind == "differs"}
        if self.options.check_exclusions:
            return [name for name in tests if name in self.differs]
        return [name for name, rule in rules.items() if not rule or name in self.differs]

    def run_job(self, work: tuple[Job, list[str]]) -> None:
        job, tests = work
        results, expected = [], []
        for result in job.run(tests):
            # No excuse covers a crash or a hang.
            excused = result.test in self.differs and not result.died
            (expected if excused else results).append(result)
        with self.lock:
            self.results += results
            self.expected += expected
            counts = ", ".join(f"{count(results, kind)} {kind}" for kind in KINDS)
            print(f"{job.label} [{job.variant.name}]: {counts}, {len(expected)} excluded", flush=True)
            for result in results:
                if self.options.verbose or result.outcome == "failed":
                    print(f"  {result.outcome:8}{result.test}", flush=True)

    def report(self) -> int:
        if self.options.list_excluded:
            return self.list_excluded()
        failed = [result for result in self.results if result.outcome == "failed"]
        everywhere = set() if self.options.stock else self.fails_on_stock(failed)
        for result in failed:
            print(f"\n=== {result.test}\n{result.detail.rstrip()}")
        ours = [result for result in failed if result.test not in everywhere]
        print()
        for name in sorted(everywhere):
            print(f"fails on unmodified asyncio too, on this machine: {name}")
        for result in ours:
            print(f"FAILED {result.test}")
        for result in self.expected:
            # One that this machine skips has shown nothing.
            if result.outcome == "passed":
                self.errors.append(f"exclusions.toml: {result.test} is excluded but passes")
        if not self.results and not self.expected:
            self.errors.append("no test was run")
        for error in self.errors:
            print(f"ERROR {error}")
        died = sum(result.test in self.differs for result in self.results)
        skipped = count(self.results, "skipped") + len(self.excluded) - died
        print(f"{count(self.results, 'passed')} passed, {len(ours)} failed, {skipped} skipped")
        return 1 if ours or self.errors else 0

    def fails_on_stock(self, failed: list[Result]) -> set[str]:
        """Which of these fail on unmodified asyncio as well, and so say nothing about ours."""
        stock_to_ours: dict[str, list[str]] = {}
        modules: dict[str, Job] = {}
        for result in failed:
            job = self.jobs.get(result.test)
            if job is None:
                continue
            stock_job = Job(job.module, plan.STOCK, self.options.timeout)
            modules.setdefault(job.module, stock_job)
            stock_name = job.stock_names[result.test].replace(job.label, stock_job.label, 1)
            stock_to_ours.setdefault(stock_name, []).append(result.test)
        both: set[str] = set()
        for stock_job in modules.values():
            prefix = stock_job.label + "."
            names = [name for name in stock_to_ours if name.startswith(prefix)]
            for result in stock_job.run(names):
                if result.outcome == "failed":
                    both.update(stock_to_ours.get(result.test, []))
        return both

    def list_excluded(self) -> int:
        for name, rule in self.excluded:
            print(f"{name}\n    {rule.kind}: {rule.reason}")
        for error in self.errors:
            print(f"ERROR {error}")
        print(f"{len(self.excluded)} tests excluded")
        return 1 if self.errors else 0


KINDS = ("passed", "failed", "skipped")


def count(results: list[Result], outcome: str) -> int:
    return sum(result.outcome == outcome for result in results)


if __name__ == "__main__":
    sys.exit(main())
