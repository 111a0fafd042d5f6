"""Coordination classes for those who look at them: names, signatures, kinds, copies, attributes."""

import asyncio
import copy
import gc
import inspect
import pickle
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness
from support.coordination import CLASSES, same_in_every_mixture, turns

each_class = pytest.mark.parametrize("name", CLASSES)

ARGUMENTS: dict[str, tuple[Any, ...]] = {"Barrier": (2,), "Timeout": (None,)}

# Before 3.13 a timeout was the only one of these that had to be told apart by its text.
STOCK = {name: getattr(asyncio, name) for name in CLASSES}


def make(aio: Any, name: str) -> Any:
    return getattr(aio, name)(*ARGUMENTS.get(name, ()))


def public(thing: Any) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def parameters(function: Any) -> list[tuple[str, str, str]]:
    """Names, kinds and defaults. Annotations are left out: asyncio has some, on few."""
    return [
        (parameter.name, str(parameter.kind), repr(parameter.default))
        for parameter in inspect.signature(function).parameters.values()
    ]


@each_class
def test_native_classes_are_true_subclasses_of_the_stock_ones(name: str) -> None:
    native, stock = getattr(roundelay, name), STOCK[name]
    assert issubclass(native, stock)
    assert isinstance(make(roundelay, name), stock)
    # A native class stands for the same relatives.
    for other_name in CLASSES:
        expected = issubclass(stock, STOCK[other_name])
        assert issubclass(native, getattr(roundelay, other_name)) == expected, other_name


@each_class
@same_in_every_mixture
def test_names_and_members(aio: ModuleType, see: Witness, name: str) -> None:
    class_ = getattr(aio, name)
    thing = make(aio, name)
    see(class_.__name__, class_.__qualname__, bool(class_.__doc__))
    see(public(class_), public(thing))
    for member in public(class_):
        value = getattr(class_, member)
        see(member, callable(value), bool(getattr(value, "__doc__", None)))
        if callable(value):
            see(value.__name__, value.__qualname__)
    see([special for special in ("__aenter__", "__aexit__", "__enter__", "__await__", "__iter__", "__len__",
                                 "__class_getitem__") if hasattr(class_, special)])  # fmt: skip
    see(repr(thing), str(thing))


@each_class
def test_the_module_that_a_repr_names(name: str) -> None:
    """Where asyncio's own repr says asyncio.locks.Lock, ours does."""
    native, stock = make(roundelay, name), make(asyncio, name)
    assert repr(native).split(" at ")[0] == repr(stock).split(" at ")[0]


@each_class
@same_in_every_mixture
def test_signatures(aio: ModuleType, see: Witness, name: str) -> None:
    class_ = getattr(aio, name)
    see(parameters(class_))
    thing = make(aio, name)
    for member in (*public(class_), "__aenter__", "__aexit__"):
        method = getattr(thing, member, None)
        if callable(method):
            see(member, parameters(method))


@each_class
@same_in_every_mixture
def test_which_methods_are_coroutine_functions(aio: ModuleType, see: Witness, name: str) -> None:
    class_ = getattr(aio, name)
    thing = make(aio, name)
    for member in (*public(class_), "__aenter__", "__aexit__"):
        method = getattr(thing, member, None)
        if callable(method):
            see(member, inspect.iscoroutinefunction(method))
            if sys.version_info < (3, 14):  # deprecated there
                see(asyncio.iscoroutinefunction(method))


@each_class
@same_in_every_mixture
def test_methods_that_are_bound_to_their_object(aio: ModuleType, see: Witness, name: str) -> None:
    thing = make(aio, name)
    for member in (*public(type(thing)), "__aenter__", "__aexit__"):
        method = getattr(thing, member, None)
        if not callable(method):
            continue
        see(member, inspect.ismethod(method), method == getattr(thing, member), repr(method))
        # Of a condition's they are the lock's.
        owner = method.__self__
        see(type(owner).__name__, method.__func__ is getattr(type(owner), member))
        for way in ("copy", "deepcopy", "pickle"):
            other = WAYS_TO_COPY[way](method)
            see(way, other is method, other.__self__ is owner, repr(other))


@each_class
@same_in_every_mixture
def test_methods_called_through_their_class(aio: ModuleType, see: Witness, name: str) -> None:
    class_ = getattr(aio, name)
    for member in public(class_):
        function = getattr(class_, member)
        see(member, callable(function))
        if callable(function) and not inspect.iscoroutinefunction(function):
            see.attempt(function)
            see.attempt(function, make(aio, name), "too", "many", "arguments")
            see.attempt(function, make(aio, name), nonsense=1)
    if name == "Event":
        event, stock = aio.Event(), STOCK["Event"]()
        for thing in (event, stock):  # one of asyncio's is taken as well
            class_.set(thing)
            see(class_.is_set(thing), thing.is_set())


@each_class
@same_in_every_mixture
def test_attributes_of_users(aio: ModuleType, see: Witness, name: str) -> None:
    thing = make(aio, name)
    thing.note = "a note"
    see(thing.note, thing.__dict__["note"], vars(thing)["note"])
    del thing.note
    see(hasattr(thing, "note"), "note" in thing.__dict__)
    see.attempt(lambda: thing.note)
    # Methods may be replaced on one object, as tests with mocks do.
    for member in public(type(thing)):
        if callable(getattr(type(thing), member)):
            setattr(thing, member, lambda member=member: f"own {member}")
            see(member, getattr(thing, member)())


@each_class
@same_in_every_mixture
def test_weak_references(aio: ModuleType, see: Witness, name: str) -> None:
    gone: list[str] = []
    thing = make(aio, name)
    thing.itself = thing  # a cycle
    reference = weakref.ref(thing, lambda _: gone.append("cycle"))
    other = make(aio, name)
    other_reference = weakref.ref(other, lambda _: gone.append("no cycle"))
    see(reference() is thing, other_reference() is other)
    del other
    see(gone)
    del thing
    gc.collect()
    see(gone, reference())


@each_class
@same_in_every_mixture
def test_hashes_and_comparisons(aio: ModuleType, see: Witness, name: str) -> None:
    one, other = make(aio, name), make(aio, name)
    see(one == one, one == other, len({one, other, one}), bool(one))
    see.attempt(lambda: one < other)
    if not hasattr(one, "__len__"):
        see.attempt(len, one)


@each_class
@same_in_every_mixture
def test_generic_aliases(aio: ModuleType, see: Witness, name: str) -> None:
    class_ = getattr(aio, name)

    def subscript() -> str:
        alias = class_[int]
        return f"{alias.__origin__ is class_} {alias.__args__} {class_[int] == class_[int]}"

    see.attempt(subscript)


def _with_two_items(thing: Any) -> Any:
    thing.put_nowait(2)
    thing.put_nowait(1)
    return thing


def _set(thing: Any) -> Any:
    thing.set()
    return thing


COPIED: dict[str, Callable[[Any], Any]] = {
    "lock": lambda aio: aio.Lock(),
    "event": lambda aio: aio.Event(),
    "set event": lambda aio: _set(aio.Event()),
    "semaphore": lambda aio: aio.Semaphore(3),
    "bounded semaphore": lambda aio: aio.BoundedSemaphore(3),
    "condition": lambda aio: aio.Condition(),
    "barrier": lambda aio: aio.Barrier(2),
    "queue": lambda aio: _with_two_items(aio.Queue(5)),
    "heap": lambda aio: _with_two_items(aio.PriorityQueue()),
    "stack": lambda aio: _with_two_items(aio.LifoQueue()),
    "timeout": lambda aio: aio.Timeout(None),
    "task group": lambda aio: aio.TaskGroup(),
}

WAYS_TO_COPY: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "oldest pickle": lambda thing: pickle.loads(pickle.dumps(thing, 0)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


def try_to_copy(see: Any, way: str, thing: Any) -> Any:
    try:
        other = WAYS_TO_COPY[way](thing)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        # Which part is the first that cannot be copied is nobody's promise.
        see("not copied", type(error).__name__)
        return None
    see("copied", other is thing, type(other).__name__, str(other))
    return other


@pytest.mark.parametrize("way", WAYS_TO_COPY)
@pytest.mark.parametrize("kind", COPIED)
@same_in_every_mixture
def test_copies_of_the_unused(aio: ModuleType, see: Witness, kind: str, way: str) -> None:
    thing = COPIED[kind](aio)
    thing.note = "kept"
    other = try_to_copy(see, way, thing)
    if other is not None:
        see(other.note, isinstance(other, type(thing)))

    async def use() -> None:
        if hasattr(other, "get"):
            see(await other.get(), await other.get(), other.empty())
            other.task_done()
            other.task_done()
            await other.join()
        elif hasattr(other, "is_set"):
            other.set()
            see(await other.wait())
        elif hasattr(other, "acquire"):
            async with other:
                see(str(other))
            see(str(other))

    if other is not None:
        see.run(use())


@pytest.mark.parametrize("way", WAYS_TO_COPY)
@same_in_every_mixture
def test_copies_of_those_in_use(aio: ModuleType, see: Witness, way: str) -> None:
    async def main() -> None:
        lock, queue, event = aio.Lock(), aio.Queue(), aio.Event()
        waiting = [aio.create_task(one) for one in (queue.get(), event.wait())]
        async with lock:
            waiting.append(aio.create_task(lock.acquire()))
            await turns(aio)
            if way != "copy":  # a shallow copy shares what cannot be copied, in asyncio
                for thing in (lock, queue, event):
                    try_to_copy(see, way, thing)
            for task in waiting:
                task.cancel()
            await aio.wait(waiting)
        see(str(lock), str(queue), str(event))

    see.run(main())


@pytest.mark.parametrize("locked", [False, True])
@same_in_every_mixture
def test_a_copy_is_in_the_state_of_the_original(aio: ModuleType, see: Witness, locked: bool) -> None:
    async def main() -> None:
        # Nobody waited, so neither is bound to a loop.
        lock, semaphore = aio.Lock(), aio.Semaphore(1)
        if locked:
            await lock.acquire()
            await semaphore.acquire()
        for way in WAYS_TO_COPY:
            for thing in (lock, semaphore):
                other = try_to_copy(see, way, thing)
                if other is not None:
                    see(other.locked())
                    see.attempt(other.release)
                    see(other.locked(), thing.locked())

    see.run(main())


@same_in_every_mixture
def test_private_names_that_programs_read(aio: ModuleType, see: Witness) -> None:
    """Nobody promises these, and many a program looks at them."""

    async def main() -> None:
        queue = aio.Queue(3)
        for item in "ab":
            queue.put_nowait(item)
        see(list(queue._queue), queue._maxsize, queue._unfinished_tasks)
        see(len(queue._getters), len(queue._putters), queue._finished.is_set())
        heap = aio.PriorityQueue()
        for item in (3, 1, 2):
            heap.put_nowait(item)
        see(heap._queue[0], sorted(heap._queue))
        semaphore = aio.Semaphore(2)
        await semaphore.acquire()
        see(semaphore._value, not semaphore._waiters)
        bounded = aio.BoundedSemaphore(2)
        see(bounded._bound_value)
        lock, event = aio.Lock(), aio.Event()
        see(lock._locked, not lock._waiters, event._value, len(event._waiters))
        await lock.acquire()
        waiting = [aio.create_task(lock.acquire()), aio.create_task(event.wait())]
        await turns(aio)
        see(lock._locked, len(lock._waiters), len(event._waiters))
        for task in waiting:
            task.cancel()
        await aio.wait(waiting)
        condition = aio.Condition(lock)
        see(condition._lock is lock, len(condition._waiters))
        group = aio.TaskGroup()
        async with group:
            task = group.create_task(aio.sleep(0))
            see(group._tasks == {task}, group._entered, group._exiting, group._aborting, group._errors)

    see.run(main())
