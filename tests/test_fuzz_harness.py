"""The fuzzer itself: its programs do everything there is to do, and it finds what it is there to find."""

import asyncio
import heapq
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fuzz import blocks, expressions, statements
from fuzz.blocks import Attempt, Group, Repeat, With
from fuzz.compare import difference, told
from fuzz.expressions import Call, Delay, Error, Method, NewTask, Sleep
from fuzz.generate import for_each_program
from fuzz.grammar import HAS_ASYNC_AS_COMPLETED, HAS_EAGER_TASKS, HAS_SHUTDOWN
from fuzz.program import Program, Setting
from fuzz.reduce import reduced
from fuzz.statements import Assign, Await, Do, Raise
from fuzz.ways import OURS, STOCK, StockLoop, Way, quiet, run

# The broken primitives below are found within this many programs, and every kind of statement is among them.
ENOUGH = 700

# Drawing and running that many takes half of a usual test's time on a machine that does nothing else.
pytestmark = pytest.mark.timeout(240)


def drawn(count: int) -> list[Program]:
    """The programs that the fuzzer runs for the first seed."""
    found: list[Program] = []

    def take(program: Program) -> bool:
        found.append(program)
        return False

    with quiet():
        assert for_each_program(count, 1, take) == count
    return found


@pytest.fixture(scope="module")
def sample() -> list[Program]:
    return drawn(ENOUGH)


@pytest.fixture(scope="module")
def traces(sample: list[Program]) -> list[list[str]]:
    with quiet():
        return [run(program, STOCK) for program in sample]


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    with quiet():
        yield


def classes_in(*modules: Any) -> set[str]:
    return {
        name
        for module in modules
        for name, item in vars(module).items()
        if inspect.isclass(item)
        and item.__module__ == module.__name__
        and hasattr(item, "__dataclass_fields__")
    }


def test_programs_have_every_part_of_the_grammar(sample: list[Program]) -> None:
    text = "\n".join(map(repr, sample))
    parts = Counter(re.findall(r"\b([A-Z]\w+)\(", text))
    for part in classes_in(expressions, statements, blocks):
        assert parts[part] >= 20, f"{part} comes {parts[part]} times in {len(sample)} programs"
    ways = {program.tasks for program in sample}
    assert ways == {"plain", "factory", "derived"} | ({"eager"} if HAS_EAGER_TASKS else set())


def test_traces_show_everything_succeed_and_fail(traces: list[list[str]]) -> None:
    """What programs say is also done, and most of it ends in more than one way."""
    text = "\n".join("\n".join(trace) for trace in traces)
    outcomes = [
        r"await sleep\(.* gave",
        r"await sleep\(.* raised \| CancelledError",
        *(
            rf"await {name}\.acquire\(\) gave"
            for name in ("lock_0", "condition_0", "semaphore_1", "bounded_0")
        ),
        *(rf"await {name}\.acquire\(\) raised \| CancelledError" for name in ("lock_0", "semaphore_1")),
        *(rf"async with {name}: entered" for name in ("lock_1", "condition_0", "semaphore_0", "barrier_0")),
        r"bounded_0\.release\(\) \| ValueError",
        r"lock_0\.release\(\) \| RuntimeError",
        r"await event_0\.wait\(\) gave",
        r"await event_\d\.wait\(\) raised \| CancelledError",
        r"event_0\.clear\(\)",
        r"await condition_0\.wait\(\) gave",
        r"await condition_0\.wait_for\(.* gave",
        r"predicate of condition_0",
        r"condition_0\.notify\(2\) \| None",
        r"condition_0\.notify_all\(\) \| RuntimeError",
        r"await barrier_0\.wait\(\) gave \| [012]",
        r"await barrier_0\.wait\(\) raised \| BrokenBarrierError",
        r"await queue_0\.put\(\d\) gave",
        r"await queue_0\.put\(\d\) raised",
        r"await queue_1\.get\(\) gave",
        r"await queue_1\.get\(\) raised \| CancelledError",
        r"await queue_0\.join\(\) gave",
        r"queue_0\.task_done\(\) \| ValueError",
        r"queue_\d\.put_nowait\(\d\) \| QueueFull",
        r"queue_\d\.get_nowait\(\) \| QueueEmpty",
        r"queue_\d\.get_nowait\(\) \| \d",
        r"await gather\(.* gave \| \[",
        r"await gather\(.*return_exceptions=True\) gave \| \[",
        r"await gather\(.* raised \| CancelledError",
        r"await gather\(.* raised \| Oops",
        *(rf"await wait\(.*return_when={when}\) gave" for when in ("FIRST_COMPLETED", "FIRST_EXCEPTION")),
        r"await wait\(.*return_when=ALL_COMPLETED\) gave",
        r"await wait\(.* raised \| CancelledError",
        r"await wait_for\(.* gave",
        r"await wait_for\(.* raised \| TimeoutError",
        r"await wait_for\(.* raised \| CancelledError",
        r"await shield\(.* gave",
        r"await shield\(.* raised \| CancelledError",
        r"for coming in as_completed\(.* next",
        r"for coming in as_completed\(.* raised \| TimeoutError",
        r"timeout\(.* as scope: raised \| TimeoutError",
        r"timeout\(.* as scope: left",
        r"timeout_at\(.* as scope: raised \| TimeoutError",
        r"scope\.reschedule\(.* \| None",
        r"TaskGroup\(\) as \w: left",
        r"TaskGroup\(\) as \w: raised \| ExceptionGroup",
        r"TaskGroup\(\) as \w: raised \| CancelledError",
        r"\w = g\.create_task\(.* \| t\d+ pending",
        r"create_task\(.* \| t\d+ pending",
        r"\w\.cancel\('by \d'\) \| True",
        r"\w\.cancel\(.*\) \| False",
        r"\| CancelledError\(by \d\)",
        r"me\.uncancel\(\) \| \d",
        r"f\.set_result\(.* \| None",
        r"f\.set_result\(.* \| InvalidStateError",
        r"e\.set_exception\(.* \| None",
        r"callback of \w \| t\d+ cancelled",
        r"except CancelledError \| CancelledError",
        r"except TimeoutError \| TimeoutError",
        r"\bfinally\b",
        r"generator gave",
        r"generator raises \| GeneratorExit",
        r"loop\.call_later\(",
        r"\.remove_done_callback\(show\) \| 1",
        r"\w\.result\(\) \| InvalidStateError",
        r"\w\.result\(\) \| (body_\d of t\d+|set in|help|True|slept)",
        r"\w\.(result|exception)\(\) \| (Oops|CancelledError|TimeoutError)",
        r"\w\.exception\(\) \| None",
        r"in a thread",
        r"await to_thread\(call\) gave \| threaded",
        r"await to_thread\(fail, .* raised \| Oops",
        r"run_coroutine_threadsafe\(.* gave",
        r"run_coroutine_threadsafe\(.* raised \| CancelledError",
        r"Awaitable\(.* gave",
        r"create_task\(.*, context=\(c\d\)\) \| t\d+ pending",
        r" c\d body_\d begins",
        r"the loop stops with \| SystemExit",
        r"<TwoEnded .*_queue=",
        r"\bstuck\b",
        r"end cancels",
        r"reported: Task exception was never retrieved",
        r"-- turn \d\d",
    ]
    if HAS_SHUTDOWN:
        outcomes += [r"queue_0\.shutdown\(True\)", r"\.get\(\) raised \| QueueShutDown"]
    if HAS_ASYNC_AS_COMPLETED:
        outcomes += [r"async for coming in as_completed\(.* gave"]
    missing = "\n".join(outcome for outcome in outcomes if not re.search(outcome, text))
    assert not missing, f"in no trace:\n{missing}"


def test_a_program_takes_the_same_course_twice(sample: list[Program]) -> None:
    for program in sample[:100]:
        for way in (STOCK, OURS):
            assert run(program, way) == run(program, way), program.source()


def test_runs_end_by_themselves(traces: list[list[str]]) -> None:
    """No program stops the machine that runs it, and none has too much to do as a rule."""
    assert not any("the run ends with" in line for trace in traces for line in trace)
    assert sum(any("out of steps" in line for line in trace) for trace in traces) < 50
    for trace in traces:
        # All that is left in the end is the task that runs the program.
        assert [line for line in trace if line.startswith("   tasks:")][-1] == "   tasks: 1"


# Primitives that are broken in one point each.


class LastFirst(asyncio.Lock):
    """Wakes who came last."""

    def _wake_up_first(self) -> None:
        for waiter in reversed(self._waiters or ()):
            if not waiter.done():
                waiter.set_result(True)
                return


class Backwards(asyncio.Event):
    """Wakes its waiters in the wrong order."""

    def set(self) -> None:
        if not self._value:
            self._value = True
            for waiter in reversed(self._waiters):
                if not waiter.done():
                    waiter.set_result(True)


class Generous(asyncio.Semaphore):
    """Lets one more in when somebody who waits is cancelled."""

    async def acquire(self) -> Any:
        try:
            return await super().acquire()
        except asyncio.CancelledError:
            self._value += 1
            raise


class Forgetful(asyncio.Condition):
    """Does not take its lock again when a wait is cancelled."""

    async def wait(self) -> Any:
        try:
            return await super().wait()
        except asyncio.CancelledError:
            self.release()
            raise


class Unsorted(asyncio.PriorityQueue[Any]):
    """Gives the smallest but one."""

    def _get(self, heappop: Callable[[list[Any]], Any] = heapq.heappop) -> Any:
        first = heappop(self._queue)
        if not self._queue:
            return first
        second = heappop(self._queue)
        heapq.heappush(self._queue, first)
        return second


class Unfinished(asyncio.Queue[Any]):
    """Does not wake who joins."""

    def task_done(self) -> None:
        if self._unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished_tasks -= 1


class Lenient(asyncio.TaskGroup):
    """Does not cancel the other tasks when one fails."""

    def _abort(self) -> None:
        self._aborting = True


async def slow_wait_for(what: Any, timeout: Any) -> Any:
    """Takes a turn more than it should."""
    try:
        return await asyncio.wait_for(what, timeout)
    finally:
        await asyncio.sleep(0)


async def mute_sleep(delay: float, result: Any = None) -> Any:
    """Forgets its result when it has nothing to wait for."""
    await asyncio.sleep(delay)
    return result if delay else None


async def impatient_wait(
    futures: Any, *, timeout: Any = None, return_when: str = asyncio.ALL_COMPLETED
) -> Any:
    """Takes FIRST_EXCEPTION for FIRST_COMPLETED."""
    if return_when == asyncio.FIRST_EXCEPTION:
        return_when = asyncio.FIRST_COMPLETED
    return await asyncio.wait(futures, timeout=timeout, return_when=return_when)


def hasty_gather(*children: Any, return_exceptions: bool = False) -> Any:
    """Lets its children live when it is cancelled."""
    return asyncio.gather(*map(asyncio.shield, children), return_exceptions=return_exceptions)


def late_timeout(when: float | None) -> asyncio.Timeout:
    """Ends one step of the clock too late."""
    return asyncio.timeout(None if when is None else when + 2.0**-9)


BROKEN = {
    "Lock": LastFirst,
    "Event": Backwards,
    "Semaphore": Generous,
    "Condition": Forgetful,
    "PriorityQueue": Unsorted,
    "Queue": Unfinished,
    "TaskGroup": Lenient,
    "wait_for": slow_wait_for,
    "sleep": mute_sleep,
    "wait": impatient_wait,
    "gather": hasty_gather,
    "timeout": late_timeout,
}


for _name, _broken in BROKEN.items():
    if inspect.isclass(_broken):
        # It must not give itself away by its name.
        _stock = getattr(asyncio, _name)
        _broken.__name__, _broken.__qualname__, _broken.__module__ = _name, _name, _stock.__module__


class Replaced:
    """Stands for the module `asyncio`, with one name replaced."""

    def __init__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_primitive_is_found(name: str, sample: list[Program]) -> None:
    broken = Way(f"broken {name}", Replaced(name, BROKEN[name]), StockLoop)
    for place, program in enumerate(sample):
        if difference(program, broken):
            print(f"found by program {place + 1}")
            return
    pytest.fail(f"{ENOUGH} programs do not notice {BROKEN[name].__doc__}")


def test_what_differs_is_made_small_and_told() -> None:
    """Of a large program there remains what a difference needs: three tasks that want one lock."""
    wanting = With("lock_0", (Await(Sleep(Delay(1))),))
    program = Program(
        Setting(),
        (
            (
                Attempt((Do(Method("event_0", "set")),)),
                Repeat(3, (Assign("a", NewTask(Call(1))), Assign("b", NewTask(Call(2))))),
                Group("g", (Assign("c", Method("g", "create_task", (Call(1),))),)),
            ),
            (Await(Sleep(Delay(0))), wanting, Do(Method("event_0", "clear"))),
            (Await(Method("queue_0", "get")),),
        ),
        roots=2,
    )
    broken = Way("broken lock", Replaced("Lock", LastFirst), StockLoop)
    assert difference(program, broken)
    small = reduced(program, lambda smaller: bool(difference(smaller, broken)))
    assert difference(small, broken)
    assert len(small.source()) < len(program.source())
    text = told(small, broken, difference(small, broken), "seed 0")
    assert "async with lock_0:" in text
    assert "event_0.clear()" not in text.partition("---")[0]
    # The data behind the text runs the program again.
    names = {**vars(expressions), **vars(statements), **vars(blocks), "Program": Program, "Setting": Setting}
    assert eval(text.splitlines()[-1], names) == small


def test_a_program_in_which_everyone_waits_is_no_reason_to_hang() -> None:
    program = Program(
        Setting(), ((Await(Method("event_0", "wait")), Await(NewTask(Method("queue_0", "get")))),)
    )
    for way in (STOCK, OURS):
        trace = run(program, way)
        # Helped to a set event first; by then the queue is empty again.
        assert sum(line.endswith("stuck") for line in trace) == 3
        assert any("await event_0.wait() gave | True" in line for line in trace)
        assert any("queue_0.get()) raised | CancelledError(end)" in line for line in trace)
        assert [line for line in trace if line.startswith("   tasks:")][-1] == "   tasks: 1"


@pytest.mark.parametrize("tasks", ["plain", *(["eager"] if HAS_EAGER_TASKS else [])])
def test_a_program_that_stops_the_loop_is_run_to_its_end(tasks: str) -> None:
    """An eager task raises SystemExit into whoever makes it, which is the machine itself."""
    stops = (Raise(Error("SystemExit", "of 0")),)
    for bodies in ((stops, (Await(Sleep(Delay(1))),)), (stops, stops)):
        program = Program(Setting(), bodies, roots=2, tasks=tasks)
        for way in (STOCK, OURS):
            trace = run(program, way)
            assert any("SystemExit(of 0)" in line for line in trace)
            assert any(line.endswith("ended") for line in trace)
            assert [line for line in trace if line.startswith("   tasks:")][-1] == "   tasks: 1"
