"""What is run: which of CPython's modules, and in which variants of each.

A *variant* says what stands behind the names that a test module takes its classes from.
CPython's modules are written for `tasks._CTask` and `futures._CFuture`, the accelerated
classes of asyncio, so every class that mentions these runs on roundelay's once the names
lead there; and because a program may mix both kinds, the mixed pairs run as well.
"""

import importlib.util
import re
import sys
from dataclasses import dataclass

MODULES = {
    "test.test_asyncio.test_tasks": 11,
    "test.test_asyncio.test_futures": 11,
    "test.test_asyncio.test_futures2": 11,
    "test.test_asyncio.test_eager_task_factory": 12,
    "test.test_asyncio.test_runners": 11,
    "test.test_asyncio.test_context": 11,
    "test.test_asyncio.test_pep492": 11,
    "test.test_asyncio.test_threads": 11,
    "test.test_asyncio.test_locks": 11,
    "test.test_asyncio.test_queues": 11,
    "test.test_asyncio.test_taskgroups": 11,
    "test.test_asyncio.test_timeouts": 11,
    "test.test_asyncio.test_waitfor": 11,
    "test.test_asyncio.test_streams": 11,
    "test.test_asyncio.test_buffered_proto": 11,
    "test.test_asyncio.test_sendfile": 11,
    "test.test_asyncio.test_server": 11,
    "test.test_asyncio.test_sock_lowlevel": 11,
    "test.test_asyncio.test_events": 11,
    "test.test_asyncio.test_base_events": 11,
    "test.test_asyncio.test_ssl": 11,
    "test.test_asyncio.test_sslproto": 11,
    "test.test_asyncio.test_subprocess": 11,
    "test.test_asyncio.test_unix_events": 11,
    # Later releases of 3.12 have it, too.
    "test.test_asyncio.test_staggered": 12,
    "test.test_asyncio.test_free_threading": 14,
    "test.test_asyncio.test_graph": 14,
    # Of Python's own statements over asyncio's objects.
    "test.test_asyncgen": 11,
    "test.test_contextlib_async": 11,
    "test.test_unittest.test_async_case": 12,
    # 3.13 has a module of this name too, but it reads stacks of threads, not of tasks.
    "test.test_external_inspection": 14,
}
"""Each module with the first Python 3 minor version in which it is about asyncio."""

COORDINATION = ("_locks", "_queues", "_taskgroups", "_timeouts", "_waitfor", "_staggered", "_streams")
"""Endings of the modules about what tasks coordinate with. They leave the making of tasks to the loop."""

CONNECTIONS = ("_buffered_proto", "_events", "_sendfile", "_server", "_sock_lowlevel", "_ssl", "_sslproto")
"""Endings of the modules about what a loop does with sockets, whoever made the tasks."""

PROCESSES = ("_subprocess", "_unix_events")
"""Endings of the modules about what a loop does with pipes and processes."""

CALLERS = ("_tasks", "_threads", "_pep492", "_graph", "_eager_task_factory", "_free_threading")
"""Endings of other modules that call what `roundelay.install()` replaces."""


@dataclass(frozen=True)
class Variant:
    """One way to run a module. Each field names who provides that part: `roundelay` or `asyncio`."""

    name: str
    task: str
    """What the test module finds as `tasks._CTask`."""
    future: str
    """The same for `futures._CFuture`."""
    loop: str
    """What the policy makes, and what tests get that bring a Python loop of their own."""
    names: str
    """asyncio's functions and classes that tests call: all that `roundelay.install()` replaces."""

    @property
    def is_stock(self) -> bool:
        """True for the variant in which roundelay is not even imported."""
        return "roundelay" not in (self.task, self.future, self.loop, self.names)

    def class_name(self, name: str) -> str:
        """The name under which a test class is reported: `CTask...` on our task is `RTask...`.

        A name that does not say which classes it uses gets the variant's name besides.
        """
        all_ours = re.sub(r"C(?=[A-Z_]|$)", "R", name)
        match self.name:
            case "stock" | "loop-only" | "names-only":
                return name
            case "native" | "foreign-loop":
                return all_ours
            case "task-only":
                renamed = name.replace("CTask", "RTask")
                return renamed if renamed != name else f"{name}@{self.name}"
            case "future-only":
                renamed = name.replace("CFuture", "RFuture")
                return renamed if renamed != name else f"{name}@{self.name}"
            case "stock-objects":
                return name if all_ours != name else f"{name}@{self.name}"
        raise AssertionError(f"unknown variant {self.name}")

    def module_label(self, module: str) -> str:
        """The short module name, marked where class names do not tell the variant from another one."""
        short = module.rpartition(".")[2]
        return f"{short}@{self.name}" if self.name in {"foreign-loop", "loop-only", "names-only"} else short

    def wants(self, module: str, uses: frozenset[str]) -> bool:
        """Whether a class that uses these names says anything new in this variant."""
        if module not in MODULES:
            return True  # One that tests the driver itself.
        accelerated = uses & {"_CTask", "_CFuture"}
        pure_python = bool(uses & {"_PyTask", "_PyFuture"}) and not accelerated
        match self.name:
            case "stock" | "native":
                return True
            case "task-only" | "future-only":
                return len(accelerated) == 2
            case "stock-objects":
                return bool(accelerated)
            case "loop-only":
                # The other modules make their tasks themselves; these leave it to the loop.
                leaves_tasks = ("_runners", "_context", "_threads", "_graph", "_inspection", *COORDINATION)
                return module.endswith(leaves_tasks) and not pure_python
            case "foreign-loop":
                brings_loop = bool(uses & {"new_test_loop", "BaseEventLoop"})
                return brings_loop and not pure_python and not module.endswith((*CONNECTIONS, *PROCESSES))
            case "names-only":
                # The others test tasks, futures and loops themselves, which are asyncio's here.
                return module.endswith((*CALLERS, *COORDINATION))
        raise AssertionError(f"unknown variant {self.name}")


STOCK = Variant("stock", task="asyncio", future="asyncio", loop="asyncio", names="asyncio")

VARIANTS = (
    # Everything is ours: the way a program runs after roundelay.install().
    Variant("native", task="roundelay", future="roundelay", loop="roundelay", names="roundelay"),
    # Our tasks await asyncio's futures, and asyncio's tasks await our futures.
    Variant("task-only", task="roundelay", future="asyncio", loop="roundelay", names="roundelay"),
    Variant("future-only", task="asyncio", future="roundelay", loop="roundelay", names="roundelay"),
    # Objects made by other code (a task factory, an early import) on our loop.
    Variant("stock-objects", task="asyncio", future="asyncio", loop="roundelay", names="roundelay"),
    # Our loop with asyncio's own sleep(), Lock, TaskGroup: a program that never calls install().
    Variant("loop-only", task="asyncio", future="asyncio", loop="roundelay", names="asyncio"),
    # Our objects on somebody else's loop, here asyncio's and the Python loops of the tests.
    Variant("foreign-loop", task="roundelay", future="roundelay", loop="asyncio", names="roundelay"),
    # Our Lock, wait(), TaskGroup with asyncio's own loop, tasks and futures.
    Variant("names-only", task="asyncio", future="asyncio", loop="asyncio", names="roundelay"),
)


def available(module: str) -> bool:
    """Whether this Python's test suite has the module."""
    if sys.version_info.minor < MODULES[module]:
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def test_suite_installed() -> bool:
    """Some distributions ship Python without its test package."""
    return importlib.util.find_spec("test") is not None and available("test.test_asyncio.test_tasks")
