"""Runs the tests of packages that live on asyncio, on stock asyncio and on roundelay, and compares.

    python tests/upstream/compare.py                  every suite of suites.toml
    python tests/upstream/compare.py httpx anyio
    python tests/upstream/compare.py aiohttp -k websocket

A test that fails on roundelay and not on asyncio is run again on both. The exit status is 0 only if there
is none that keeps failing on roundelay alone.
"""

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

import offline
import prepare
import suites
from outcomes import AGAIN, GOOD, LOGS, OURS, STOCK, Run, files_of, judge, only_on_ours, run
from suites import Excuse, Suite


def main() -> int:
    try:
        known, excuses = suites.load()
    except suites.BadData as error:
        print(f"suites.toml: {error}")
        return 2
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(known)}; default all")
    parser.add_argument("-k", dest="pattern", help="only tests with this in their names, as pytest takes it")
    options = parser.parse_args()
    if strangers := set(options.suites) - set(known):
        parser.error(f"no suite is called {min(strangers)!r}")
    prefix = offline.PREFIX if offline.available() else []
    if not prefix:
        print(
            "This machine gives tests no network of their own: what they do with the real one is up to them."
        )
    # Ended from outside, it takes the suite that runs with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    ours = prepare.copy_of_ours()
    lines, failed = [], []
    for name in options.suites or known:
        mine = [item for item in excuses if item.suite == name]
        session = Session(known[name], mine, ours, prefix, options.pattern)
        lines.append(session.run())
        print(lines[-1], flush=True)
        failed += [name] if session.problems else []
    print("\n" + "\n".join(lines))
    print(f"FAILED: {', '.join(failed)}" if failed else "no failure that asyncio does not have")
    return 1 if failed else 0


class Session:
    """One suite, run on both loops."""

    def __init__(
        self,
        suite: Suite,
        excuses: list[Excuse],
        ours: Path,
        prefix: list[str],
        pattern: str | None = None,
    ) -> None:
        self.suite = suite
        self.excuses = excuses
        self.ours = ours
        """A folder with roundelay in it."""
        self.prefix = prefix
        """What stands in front of a command to give it a network of its own."""
        self.pattern = pattern
        self.problems: list[str] = []
        """Why this is no success."""

    def run(self) -> str:
        """Run it, print what is to be said of single tests, and return the line that sums it up."""
        started = time.monotonic()
        title = f"{self.suite.name} {self.suite.version}"
        print(f"### {title}", flush=True)
        try:
            self.prepared = prepare.prepare(self.suite)
        except prepare.CannotPrepare as error:
            self.problems.append(str(error))
            return f"{title:20}NOT RUN: {error}"
        tests = [*self.suite.tests, *(["-k", self.pattern] if self.pattern else [])]
        runs = {loop: [self.run_on(loop, tests)] for loop in (STOCK, OURS)}
        suspects = only_on_ours(runs[OURS][0], runs[STOCK][0])
        if suspects:
            for _ in range(AGAIN):
                for loop in (STOCK, OURS):
                    runs[loop].append(self.run_on(loop, files_of(suspects)))
        kinds = {"ours": 0, "unsteady": 0, "differs": 0, "chance": 0}
        for test in suspects:
            verdict = judge(test, runs[OURS], runs[STOCK], self.excuses)
            kinds[verdict.kind] += 1
            print(f"  {verdict}")
            if verdict.kind == "ours":
                self.problems.append(str(verdict))
                print("    " + runs[OURS][0].details.get(test, "did not run").replace("\n", "\n    "))
        self.check(runs[OURS][0], runs[STOCK][0])
        for problem in self.problems:
            print(f"  {problem}")
        counts = "; ".join(f"{loop}: {runs[loop][0].counts()}" for loop in (STOCK, OURS))
        more = "".join(f", {count} {kind}" for kind, count in kinds.items() if count and kind != "ours")
        seconds = time.monotonic() - started
        return f"{title:20}{counts}; only on {OURS}: {kinds['ours']}{more} ({seconds:.0f} s)"

    def run_on(self, loop: str, tests: list[str]) -> Run:
        found = run(self.suite, self.prepared, loop, self.ours, self.prefix, tests)
        if found.ending:
            self.problems.append(f"{loop}: {found.ending}")
        return found

    def check(self, ours: Run, stock: Run) -> None:
        """What must hold for the comparison to say anything."""
        if not any(outcome in GOOD for outcome in stock.outcomes.values()):
            self.problems.append(f"no test passed on {STOCK}")
        for loop, found in ((OURS, ours), (STOCK, stock)):
            # A suite without loops has its own loop, or is not run at all.
            if not found.loops[loop]:
                self.problems.append(f"{loop}: the tests made none of its loops")
            if strangers := found.loops.total() - found.loops[loop]:
                self.problems.append(f"{loop}: the tests made {strangers} loops of the other kind")
        if not self.pattern:
            passing = [test for test, outcome in ours.outcomes.items() if outcome in GOOD]
            for excuse in self.excuses:
                for test in filter(excuse.match, passing if excuse.kind == "differs" else []):
                    self.problems.append(f"suites.toml: {test} does not differ any more")


if __name__ == "__main__":
    sys.exit(main())
