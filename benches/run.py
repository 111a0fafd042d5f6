"""Measures roundelay, asyncio and the other loops in one interleaved run and prints the table.

    python benches/run.py                         everything, as `make bench` does
    python benches/run.py --quick -w switch gather coordination
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
import time
from pathlib import Path

import cores
import loops
import machine
from table import OURS, Row, geometric_mean, load_targets, render
from workloads import DEFAULT, GROUPS, MEAN, PROCESSOR, WORKLOADS, Workload, select

CHILD = Path(__file__).with_name("child.py")
TIMEOUT = 60.0
"""Seconds for one process. The slowest loop needs about ten for the largest workload."""

CONTROL = "asyncio"
"""The loop that is measured first."""

PATIENCE = 10
"""A loop that takes so many times as long as the control, and so many seconds, hangs."""


def main() -> int:
    options = parse_arguments()
    notes = machine.describe()
    present = find_loops(options.loops, notes)
    workloads = find_workloads(options.workloads, notes)
    notes.append("command: " + shlex.join([sys.executable, *sys.argv]))
    clock = "processor time" if options.cpu_time else "elapsed time"
    notes.append(
        f"method: {clock}, {options.statistic} of {options.rounds} interleaved rounds, a fresh process per"
        f" cell and round, up to {options.passes} passes in each"
    )
    if options.scale != 1:
        notes.append(f"counts: {options.scale:g} of what the titles say; not for comparison with targets")
    if any(workload.group == "network" for workload in workloads):
        notes.append(f"network: {cores.choose().describe()}")
    print("\n".join(notes), flush=True)
    samples, failures = measure(options, workloads, present)
    rows = make_rows(options, workloads, samples)
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
    parser.add_argument(
        "-w",
        "--workloads",
        nargs="+",
        metavar="NAME",
        help="workloads, patterns of their names (net_*_1k_10), or groups of them:"
        f" {', '.join(GROUPS)}; default {' '.join(DEFAULT)}",
    )
    parser.add_argument("-a", "--all", action="store_true", help="every workload there is")
    parser.add_argument("--list", action="store_true", help="list the workloads by group; measure nothing")
    parser.add_argument("-l", "--loops", nargs="+", choices=loops.LOOPS, default=list(loops.LOOPS))
    parser.add_argument("-r", "--rounds", type=int, help="default 5, or 2 with --quick")
    parser.add_argument("-p", "--passes", type=int, help="default 3, or 1 with --quick")
    parser.add_argument("-s", "--statistic", choices=("best", "median"), default="best")
    parser.add_argument("--quick", action="store_true", help="a first impression in some minutes")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual counts")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="for a machine that has other work to do: processor time, of all threads of the process",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    options = parser.parse_args()
    if options.list:
        for workload in WORKLOADS.values():
            for row in workload.rows.values():
                print(f"{workload.group:14} {workload.name:34} {row.title}")
        sys.exit(0)
    if options.all and options.workloads:
        parser.error("--all and --workloads exclude each other")
    try:
        options.workloads = select(options.workloads or (list(GROUPS) if options.all else DEFAULT))
    except KeyError as error:
        parser.error(error.args[0])
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


def find_workloads(wanted: list[Workload], notes: list[str]) -> list[Workload]:
    """Which workloads can be measured here; what cannot is noted, with the reason."""
    present = []
    reasons: dict[str, list[str]] = {}
    for workload in wanted:
        if reason := workload.missing():
            reasons.setdefault(reason, []).append(workload.name)
        else:
            present.append(workload)
    notes.extend(f"{', '.join(names)}: not measured ({reason})" for reason, names in reasons.items())
    return present


def measure(
    options: argparse.Namespace, workloads: list[Workload], present: list[str]
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """All samples, by row and loop, and a line for each loop that failed in a workload."""
    samples: dict[str, dict[str, list[float]]] = {}
    failures: dict[tuple[str, str], str] = {}
    for number in range(options.rounds):
        for workload in workloads:
            name = workload.name
            timeout = TIMEOUT
            for loop in present:
                if (loop, name) in failures or (loop == loops.LIMIT and not workload.limited):
                    continue
                start = time.monotonic()
                try:
                    found = run_child(options, loop, name, timeout)
                except ChildFailed as error:
                    failures[loop, name] = f"{loop}, {name}: {error}"
                    continue
                if loop == CONTROL:
                    timeout = min(TIMEOUT, PATIENCE * max(1.0, time.monotonic() - start))
                for row, values in found.items():
                    samples.setdefault(row, {}).setdefault(loop, []).extend(values)
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
    return samples, list(failures.values())


class ChildFailed(Exception):
    """The process that should have measured did not; the message is its last line."""


def run_child(
    options: argparse.Namespace, loop: str, workload: str, timeout: float
) -> dict[str, list[float]]:
    command = [sys.executable, str(CHILD), loop, workload]
    command += ["--cpu-time"] if options.cpu_time else []
    command += ["--passes", str(options.passes), "--scale", str(options.scale)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ChildFailed(f"no result after {timeout:.0f} s") from None
    if done.returncode != 0:
        # The line that names the exception; warnings about what it left behind may follow it.
        lines = [line for line in done.stderr.splitlines() if line.strip() and "Warning: " not in line]
        raise ChildFailed(f"exit code {done.returncode}: {(lines or ['no message'])[-1]}")
    result: dict[str, list[float]] = json.loads(done.stdout)
    return result


def make_rows(
    options: argparse.Namespace,
    workloads: list[Workload],
    samples: dict[str, dict[str, list[float]]],
) -> list[Row]:
    choose = min if options.statistic == "best" else statistics.median
    rows = []
    trees = []
    for workload in workloads:
        for name, quantity in workload.rows.items():
            values, processor = (
                {loop: choose(found) for loop, found in samples.get(key, {}).items()}
                for key in (name, name + PROCESSOR)
            )
            if options.cpu_time and quantity.processor:
                values, processor = processor, {}
            rows.append(Row(name, quantity.title, quantity.unit, values, processor))
            if workload.group == "async_tree":
                trees.append(rows[-1])
    if len(trees) > 1:
        rows.append(geometric_mean(MEAN, trees))
    return rows


if __name__ == "__main__":
    sys.exit(main())
