"""The programs of `make bench` do what their titles say, on asyncio and on roundelay, and so does the runner.

Nothing is measured here in earnest: the counts are the smallest that the workloads can do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).parents[1] / "benches"
LOOPS = ("asyncio", "roundelay")

# Runs every workload of some groups in one process; each checks its own result.
EVERYTHING = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import loops
loop = loops.prepare(sys.argv[2])
from workloads import select
for workload in select(sys.argv[3:]):
    if reason := workload.missing():
        print(json.dumps([workload.name, None, reason]))
        continue
    found = workload.measure(loop, passes=2, scale=0.001)
    assert found.keys() == workload.rows.keys(), (workload.name, found)
    print(json.dumps([workload.name, type(loop.make()).__module__, found]))
sys.stdout.flush()
os._exit(0)
"""

# Stands for pyperformance's script, and takes the arguments that pyperf's workers take.
SCRIPT = """
import argparse, asyncio, json, time
parser = argparse.ArgumentParser()
parser.add_argument("benchmark")
parser.add_argument("--task-groups", action="store_true")
parser.add_argument("--worker", action="store_true")
for name in ("--worker-task", "--loops", "--warmups", "--values"):
    parser.add_argument(name, type=int)
parser.add_argument("--output")
options = parser.parse_args()
assert __name__ == "__main__" and options.worker and (options.loops, options.warmups) == (1, 0)
values = []
for _ in range(options.values):
    loop = asyncio.new_event_loop()
    start = time.perf_counter()
    loop.run_until_complete(asyncio.sleep(0))
    values.append(time.perf_counter() - start)
    loop.close()
name = f"async_tree_{options.benchmark}" + ("_tg" if options.task_groups else "")
with open(options.output, "x") as file:
    json.dump({"benchmarks": [{"runs": [{"values": values}]}], "metadata": {"name": name}}, file)
print("the script's own output does not get into the samples,", type(loop).__module__)
"""


def python(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a Python process; modules are looked for in `path` first."""
    env = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=50, env=env)


@pytest.mark.parametrize(
    "group", ["scheduling", "coordination", "uncontended", "streams", "transports", "parked"]
)
@pytest.mark.parametrize("loop", LOOPS)
def test_every_workload_runs_and_checks_its_result(loop: str, group: str) -> None:
    done = python("-c", EVERYTHING, str(BENCHES), loop, group)
    assert done.returncode == 0, done.stderr
    # No error in a callback, no task destroyed.
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) >= (3 if group == "parked" else 5)
    for name, module, samples in lines:
        if module is None:
            assert "no /proc" in samples
            continue
        assert module.partition(".")[0] == loop, name
        for values in samples.values():
            assert len(values) == (1 if group == "parked" else 2), name
            assert all(value > 0 for value in values), (name, values)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", ["async_tree_none", "async_tree_eager_io_tg"])
def test_the_script_of_pyperformance_runs_as_it_is(tmp_path: Path, loop: str, name: str) -> None:
    folder = tmp_path / "pyperformance/data-files/benchmarks/bm_async_tree"
    folder.mkdir(parents=True)
    (tmp_path / "pyperformance/__init__.py").touch()
    (folder / "run_benchmark.py").write_text(SCRIPT, encoding="utf-8")
    done = python(str(BENCHES / "child.py"), loop, name, "--passes", "3", path=tmp_path)
    assert done.returncode == 0, done.stderr
    (samples,) = json.loads(done.stdout).values()
    assert len(samples) == 3
    assert done.stderr.splitlines()[-1].split()[-1].partition(".")[0] == loop


def test_the_runner_prints_a_table_and_writes_it(tmp_path: Path) -> None:
    report, samples = tmp_path / "report.md", tmp_path / "samples.json"
    done = python(
        str(BENCHES / "run.py"),
        *("--rounds", "2", "--passes", "1", "--scale", "0.001", "--loops", *LOOPS),
        *("--workloads", "parked_event", "lock"),
        *("--markdown", str(report), "--json", str(samples)),
    )
    assert done.returncode == 0, done.stderr
    # In the table's order, whatever the order of the arguments.
    rows = [line.split("|")[1].strip() for line in report.read_text().splitlines() if line.startswith("| ")]
    expected = ["Lock that ten tasks want"]
    if sys.platform == "linux":
        expected += ["200,000 tasks waiting for one Event"] * 2
    assert len(rows) == 2 + len(expected)
    assert all(row.startswith(title) for row, title in zip(rows[2:], expected, strict=True))
    assert report.read_text().split("\n\n", 1)[1].strip() in done.stdout
    data = json.loads(samples.read_text())
    assert data["failures"] == []
    assert {loop: len(values) for loop, values in data["samples"]["lock"].items()} == dict.fromkeys(LOOPS, 2)


def test_a_name_that_is_no_workload_is_refused() -> None:
    done = python(str(BENCHES / "run.py"), "--workloads", "lock", "lokc")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("no such workload or group: lokc")


@pytest.mark.parametrize(("loop", "status"), [("rloop", 0), ("roundelay", 1)])
def test_only_a_peer_may_fail(tmp_path: Path, loop: str, status: int) -> None:
    # A package of that name that is found first, and has a version.
    (tmp_path / f"{loop}.py").write_text("new_event_loop = lambda: 1 / 0\ninstall = new_event_loop\n")
    (tmp_path / f"{loop}-0.dist-info").mkdir()
    (tmp_path / f"{loop}-0.dist-info/METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {loop}\nVersion: 0\n"
    )
    words = ["--rounds", "2", "--passes", "1", "--scale", "0.001", "--workloads", "event_set"]
    done = python(str(BENCHES / "run.py"), *words, "--loops", "asyncio", loop, path=tmp_path)
    assert done.returncode == status, done.stderr
    failed = [line for line in done.stdout.splitlines() if line.startswith("Failed: ")]
    assert failed == [f"Failed: {loop}, event_set: exit code 1: ZeroDivisionError: division by zero"]
