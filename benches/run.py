"""Measures roundelay, asyncio and the other loops in one interleaved run and prints the table.

    python benches/run.py                         everything, as `make bench` does
    python benches/run.py --quick -w switch gather
    python benches/run.py --json out.json --markdown out.md

Every cell is measured in fresh processes, and the loops take turns (A B C, A B C, ...), so that
a machine that slows down meanwhile slows down for all of them. Ratios hold within one run only.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import loops
import machine
from table import OURS, Row, load_targets, render
from workloads import ROW_TITLES, WORKLOADS

CHILD = Path(__file__).with_name("child.py")
TIMEOUT = 300.0
"""Seconds for one process. The slowest loop needs about ten for the largest workload."""


def main() -> int:
    options = parse_arguments()
    notes = machine.describe()
    present = find_loops(options.loops, notes)
    notes.append("command: " + shlex.join([sys.executable, *sys.argv]))
    clock = "processor time" if options.cpu_time else "elapsed time"
    notes.append(
        f"method: {clock}, {options.statistic} of {options.rounds} interleaved rounds, a fresh process per"
        f" cell and round, up to {options.passes} passes in each"
    )
    if options.scale != 1:
        notes.append(f"counts: {options.scale:g} of what the titles say; not for comparison with targets")
    print("\n".join(notes), flush=True)
    samples, failures = measure(options, present)
    rows = make_rows(options, samples)
    table = render(rows, present, load_targets())
    for failure in failures:
        table += f"\nFailed: {failure}"
    print(f"\n{table}")
    if options.json:
        data = {"notes": notes, "samples": samples, "failures": failures}
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    if options.markdown:
        facts = "\n".join(f"- {note}" for note in notes)
        options.markdown.write_text(f"{facts}\n\n{table}\n")
    # A peer that fails is its own affair; ours and the control must not.
    return 1 if any(f.startswith((OURS, "asyncio")) for f in failures) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-w", "--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("-l", "--loops", nargs="+", choices=loops.LOOPS, default=list(loops.LOOPS))
    parser.add_argument("-r", "--rounds", type=int, help="default 5, or 2 with --quick")
    parser.add_argument("-p", "--passes", type=int, help="default 3, or 1 with --quick")
    parser.add_argument("-s", "--statistic", choices=("best", "median"), default="best")
    parser.add_argument("--quick", action="store_true", help="a first impression in a minute or so")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual counts")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="for a machine that has other work to do: processor time, of all threads of the process",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.passes = options.passes or (1 if options.quick else 3)
    if min(options.rounds, options.passes) < 1 or not 0 < options.scale <= 1:
        parser.error("rounds and passes start at 1, and scale is above 0 and at most 1")
    return options


def find_loops(wanted: list[str], notes: list[str]) -> list[str]:
    """Which loops can be measured here; what cannot is noted, with the reason."""
    present = []
    for name in wanted:
        try:
            notes.append(f"{name}: {loops.version(name)}")
            present.append(name)
        except loops.NotInstalled as reason:
            notes.append(f"{name}: not measured ({reason})")
    return present


def measure(
    options: argparse.Namespace, present: list[str]
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """All samples, by row and loop, and a line for each loop that failed in a workload."""
    samples: dict[str, dict[str, list[float]]] = {}
    failures: dict[tuple[str, str], str] = {}
    for number in range(options.rounds):
        for workload in options.workloads:
            for loop in present:
                if (loop, workload) in failures:
                    continue
                try:
                    found = run_child(options, loop, workload)
                except ChildFailed as error:
                    failures[loop, workload] = f"{loop}, {workload}: {error}"
                    continue
                for row, values in found.items():
                    samples.setdefault(row, {}).setdefault(loop, []).extend(values)
            print(f"round {number + 1} of {options.rounds}: {workload}", file=sys.stderr)
    return samples, list(failures.values())


class ChildFailed(Exception):
    """The process that should have measured did not; the message is its last line."""


def run_child(options: argparse.Namespace, loop: str, workload: str) -> dict[str, list[float]]:
    command = [sys.executable, str(CHILD), loop, workload]
    command += ["--cpu-time"] if options.cpu_time else []
    command += ["--passes", str(options.passes), "--scale", str(options.scale)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise ChildFailed(f"no result after {TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ChildFailed(f"exit code {done.returncode}: {last}")
    result: dict[str, list[float]] = json.loads(done.stdout)
    return result


def make_rows(options: argparse.Namespace, samples: dict[str, dict[str, list[float]]]) -> list[Row]:
    choose = min if options.statistic == "best" else statistics.median
    return [
        Row(
            row,
            ROW_TITLES[row],
            unit,
            {loop: choose(values) for loop, values in samples.get(row, {}).items()},
        )
        for name in options.workloads
        for row, unit in WORKLOADS[name].rows.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
