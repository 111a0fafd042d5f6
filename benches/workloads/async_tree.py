"""pyperformance's `async_tree`: the public benchmark of asyncio, run from its package as it is.

A tree of gathers or task groups, six levels deep and six branches wide, with 46,656 leaves. The script is
executed as the main program of a process in which the loop was made asyncio's, so it knows nothing of it. It
measures itself, through pyperf; only the number of repetitions is ours.
"""

import asyncio
import importlib.util
import json
import runpy
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from loops import Loop

from .registry import Quantity, Workload, register

SCRIPT = "data-files/benchmarks/bm_async_tree/run_benchmark.py"
"""Where the package has it."""

LEAVES = {
    "none": "leaves do nothing",
    "io": "leaves sleep 50 ms",
    "memoization": "leaves sleep or look up",
    "cpu_io_mixed": "leaves sleep or compute",
}
"""The forms of the benchmark, and what the leaves of the tree do in each."""


@dataclass(frozen=True, kw_only=True)
class AsyncTree(Workload):
    """One form of the benchmark."""

    arguments: tuple[str, ...]
    """For the script: the form, and what holds the branches together."""

    def missing(self) -> str | None:
        if script() is None:
            return "pyperformance is not installed"
        if self.arguments[0].startswith("eager") and not hasattr(asyncio, "eager_task_factory"):
            return "this Python has no eager tasks"
        return None

    def measure(self, loop: Loop, passes: int, scale: float) -> dict[str, list[float]]:
        """As often as there are passes; the tree has its size, whatever the scale."""
        program = script()
        if program is None:
            raise ModuleNotFoundError("pyperformance is not installed")
        # pyperf makes its loops with this. With roundelay installed it is the same function.
        asyncio.new_event_loop = loop.make
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "result.json")
            # The form in which pyperf starts its own workers: one process, no calibration.
            sys.argv = [str(program), *self.arguments, "--worker", "--worker-task=0"]
            sys.argv += ["--loops=1", "--warmups=0", f"--values={passes}", f"--output={output}"]
            with redirect_stdout(sys.stderr):
                runpy.run_path(str(program), run_name="__main__")
            whole = json.loads(output.read_text())
        (benchmark,) = whole["benchmarks"]
        (run,) = benchmark["runs"]
        assert whole["metadata"]["name"] == self.name
        assert len(run["values"]) == passes
        return {self.name: [seconds * 1e3 for seconds in run["values"]]}


def script() -> Path | None:
    """The benchmark's own file, or None where the package is not installed."""
    package = importlib.util.find_spec("pyperformance")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (found := Path(folder, SCRIPT)).exists():
            return found
    return None


def forms() -> Iterator[AsyncTree]:
    """Every form: of the leaves, of the tasks' start, and of what holds the branches together."""
    for leaves, does in LEAVES.items():
        for eager in (False, True):
            for groups in (False, True):
                title = f"{'eager' if eager else 'plain'} {'TaskGroup' if groups else 'gather'} tree, {does}"
                # The script calls the eager form of "none" just that.
                form = ("eager" if leaves == "none" else f"eager_{leaves}") if eager else leaves
                arguments = (form, "--task-groups") if groups else (form,)
                # As the script names itself.
                name = f"async_tree_{form}{'_tg' if groups else ''}"
                rows = {name: Quantity(title, "ms")}
                yield AsyncTree(name=name, group="async_tree", rows=rows, arguments=arguments)


for _form in forms():
    register(_form)
