"""What `async with` calls is taken for a bound method by whoever looks at it."""

import asyncio
import copy
import gc
import inspect
import pickle
import types
import weakref
from contextlib import AsyncExitStack
from typing import Any

import pytest
import roundelay

MAKERS: dict[str, Any] = {
    "Lock": lambda aio: aio.Lock(),
    "Semaphore": lambda aio: aio.Semaphore(),
    "Condition": lambda aio: aio.Condition(),
    "Timeout": lambda aio: aio.timeout_at(None),
    "TaskGroup": lambda aio: aio.TaskGroup(),
}


async def made(aio: Any, kind: str) -> Any:
    return MAKERS[kind](aio)


@pytest.mark.parametrize("name", ["__aenter__", "__aexit__"])
@pytest.mark.parametrize("kind", MAKERS)
def test_it_looks_like_one(kind: str, name: str) -> None:
    def seen(aio: Any, run: Any) -> list[object]:
        thing = run(made(aio, kind))
        method = getattr(thing, name)
        return [
            method.__class__,
            isinstance(method, types.MethodType),
            inspect.ismethod(method),
            inspect.iscoroutinefunction(method),
            method.__name__,
            method.__qualname__,
            method.__self__ is thing,
            method == getattr(thing, name),
            method != getattr(thing, name),
            method == 1,
            hash(method) == hash(getattr(thing, name)),
            method == getattr(run(made(aio, kind)), name),
            str(inspect.signature(method)) if name == "__aenter__" else None,
            repr(method).split(" of ")[0],
        ]

    assert seen(roundelay, roundelay.run) == seen(asyncio, asyncio.run)


def test_it_makes_a_method_of_another_object() -> None:
    one, other = roundelay.Lock(), roundelay.Lock()
    method = types.MethodType(one.__aenter__.__func__, other)
    assert method.__self__ is other
    assert weakref.WeakMethod(types.MethodType(one.__aenter__.__func__, one))() == one.__aenter__


def test_copies_are_bound_to_the_same_or_to_a_copy() -> None:
    lock = roundelay.Lock()
    assert copy.copy(lock.__aenter__) == lock.__aenter__
    assert copy.deepcopy(lock.__aenter__).__self__ is not lock
    restored = pickle.loads(pickle.dumps(lock.__aenter__))
    assert isinstance(restored.__self__, asyncio.Lock)
    assert restored.__name__ == "__aenter__"


def test_arguments_that_do_not_fit() -> None:
    def complaint(lock: Any) -> list[str]:
        said = []
        calls: list[Any] = [
            lambda: lock.__aenter__(1),
            lambda: lock.__aenter__(x=1),
            lock.__aexit__,
            lambda: lock.__aexit__(1, 2, 3, 4, 5),
            lambda: lock.__aexit__(None, exc=None, tb=None, exc_type=None),
        ]
        for call in calls:
            with pytest.raises(TypeError) as caught:
                call()
            said.append(str(caught.value))
        return said

    assert complaint(roundelay.Lock()) == complaint(asyncio.Lock())


def test_names_for_arguments() -> None:
    async def main() -> None:
        lock = roundelay.Lock()
        await lock.__aenter__()
        await lock.__aexit__(exc_type=None, exc=None, tb=None)
        assert not lock.locked()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(lock)
            assert lock.locked()
        assert not lock.locked()

    roundelay.run(main())


def test_a_cycle_through_it_is_collected() -> None:
    class Own(roundelay.Lock):
        pass

    lock = Own()
    lock.enter = lock.__aenter__
    seen = weakref.ref(lock)
    del lock
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("name", ["sleep", "wait_for", "gather", "timeout"])
def test_functions_are_weakly_referable(name: str) -> None:
    assert weakref.ref(getattr(roundelay, name))() is getattr(roundelay, name)


@pytest.mark.parametrize(
    "make", [lambda: roundelay.sleep(0), lambda: roundelay.sleep(1), lambda: roundelay.Lock().acquire()]
)
def test_coroutines_are_weakly_referable(make: Any) -> None:
    gone = []
    coroutine = make()
    seen = weakref.ref(coroutine, gone.append)
    assert seen() is coroutine
    coroutine.close()
    del coroutine
    assert seen() is None
    assert gone == [seen]
    # The memory is used again, without what referred to it.
    again = make()
    assert weakref.getweakrefcount(again) == 0
    again.close()
