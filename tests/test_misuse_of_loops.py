"""Loops that are closed, running, or somebody else's: the same errors as asyncio's, in the same words."""

import asyncio
import gc
import socket
import threading
from types import ModuleType
from typing import Any

import pytest
from support.both import Witness, same_on_both

# Every method of a loop that a closed loop must refuse or bear, with arguments.
CALLS: dict[str, tuple[Any, ...]] = {
    "call_soon": (print,),
    "call_soon_threadsafe": (print,),
    "call_later": (1, print),
    "call_at": (1, print),
    "run_forever": (),
    "stop": (),
    "is_running": (),
    "is_closed": (),
    "time": (),
    "get_debug": (),
    "get_task_factory": (),
    "get_exception_handler": (),
    "set_debug": (False,),
    "close": (),
    "run_in_executor": (None, print),
    "add_reader": (0, print),
    "add_writer": (0, print),
    "remove_reader": (0,),
    "remove_writer": (0,),
    "add_signal_handler": (10, print),
    "remove_signal_handler": (10,),
    "call_exception_handler": ({"message": "anything"},),
    "set_task_factory": (None,),
    "create_future": (),
    "_check_closed": (),
    "_check_running": (),
}


@pytest.mark.parametrize("method", sorted(CALLS))
@same_on_both
def test_each_method_of_a_closed_loop(aio: ModuleType, see: Witness, method: str) -> None:
    loop = see.new_loop()
    loop.close()
    if method == "time":
        see(type(loop.time()).__name__)
        return
    see.attempt(getattr(loop, method), *CALLS[method])
    see(repr(loop))


@pytest.mark.parametrize("method", ["run_until_complete", "create_task", "shutdown_asyncgens"])
@same_on_both
def test_coroutines_given_to_a_closed_loop(aio: ModuleType, see: Witness, method: str) -> None:
    async def never() -> None:
        see("never runs")

    loop = see.new_loop()
    loop.close()
    args = () if method == "shutdown_asyncgens" else (never(),)
    result = see.attempt(getattr(loop, method), *args)
    if method == "shutdown_asyncgens":
        see.attempt(result.send, None)
    elif args:
        args[0].close()


@same_on_both
def test_a_future_of_a_closed_loop_tells_nobody(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    lonely, watched = loop.create_future(), loop.create_future()
    watched.add_done_callback(print)
    loop.close()
    see.attempt(lonely.set_result, 1)
    see.attempt(lonely.result)
    see.attempt(watched.set_result, 1)
    see(watched)
    see.attempt(watched.add_done_callback, print)
    see.attempt(loop.create_future().cancel)


@same_on_both
def test_a_task_of_a_closed_loop_cannot_be_cancelled(aio: ModuleType, see: Witness) -> None:
    async def wait() -> None:
        await future

    loop = see.new_loop()
    future = loop.create_future()
    task = loop.create_task(wait(), name="left")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    see(task)
    see.attempt(task.cancel, "too late")
    see(task.cancelling(), task, future)
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@same_on_both
def test_a_task_that_sleeps_when_its_loop_is_closed(aio: ModuleType, see: Witness) -> None:
    async def sleep() -> None:
        try:
            await aio.sleep(1000)
        except BaseException as error:
            see("the sleep ends with", error)
            raise

    loop = see.new_loop()
    task = loop.create_task(sleep(), name="sleeper")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    see.attempt(task.cancel, "too late")
    see(task.cancelling(), task.done())
    del task
    # Which of the two goes first is up to the collector.
    gc.collect()
    see.records[2:] = sorted(str(record).split("<Task")[0] for record in see.records[2:])


@same_on_both
def test_closing_twice_and_closing_while_running(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    async def close_inside() -> None:
        see.attempt(loop.close)
        see(loop.is_closed(), loop.is_running())

    loop.run_until_complete(close_inside())
    see.attempt(loop.close)
    see.attempt(loop.close)
    see(loop.is_closed(), loop.is_running())


async def _nothing() -> None:
    pass


def _run_forever(aio: ModuleType, loop: Any, coro: Any) -> None:
    loop.run_forever()


def _run_until_complete(aio: ModuleType, loop: Any, coro: Any) -> None:
    loop.run_until_complete(coro)


def _run(aio: ModuleType, loop: Any, coro: Any) -> None:
    aio.run(coro)


def _runner(aio: ModuleType, loop: Any, coro: Any) -> None:
    with aio.Runner() as runner:
        runner.run(coro)


@pytest.mark.parametrize("other", [False, True], ids=["the same loop", "another loop"])
@pytest.mark.parametrize("function", [_run_forever, _run_until_complete, _run, _runner])
@same_on_both
def test_running_inside_a_running_loop(aio: ModuleType, see: Witness, function: Any, other: bool) -> None:
    loop = see.new_loop()
    target = see.new_loop() if other else loop
    coro = _nothing()

    async def nested() -> None:
        # Once per run: asyncio 3.13.0 forgets which loop runs after such an error.
        see.attempt(function, aio, target, coro)

    loop.run_until_complete(nested())
    coro.close()
    see("still usable", loop.run_until_complete(aio.sleep(0, "yes")))


@pytest.mark.parametrize("function", [_run_forever, _run_until_complete])
@same_on_both
def test_running_inside_a_callback(aio: ModuleType, see: Witness, function: Any) -> None:
    loop = see.new_loop()
    coro = _nothing()

    def callback() -> None:
        see.attempt(function, aio, loop, coro)
        loop.stop()

    loop.call_soon(callback)
    loop.run_forever()
    see(loop.is_running())
    coro.close()


@same_on_both
def test_running_one_loop_in_two_threads(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    def elsewhere() -> None:
        see.attempt(loop.run_forever)

    async def main() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    loop.run_until_complete(main())


@same_on_both
def test_what_run_until_complete_refuses(aio: ModuleType, see: Witness) -> None:
    loop, other = see.new_loop(), see.new_loop()
    see.attempt(loop.run_until_complete, 1)
    see.attempt(loop.run_until_complete, None)
    see.attempt(loop.run_until_complete, lambda: None)
    see.attempt(loop.run_until_complete, other.create_future())
    see.attempt(loop.run_until_complete)
    see(loop.is_running())


@same_on_both
def test_stopped_before_the_future_is_done(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    future = loop.create_future()
    loop.call_soon(loop.stop)
    see.attempt(loop.run_until_complete, future)
    see(future)
    future.cancel()


@same_on_both
def test_stop_before_run_runs_one_turn(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    loop.stop()
    loop.call_soon(see, "first turn")
    loop.call_soon(loop.call_soon, see, "second turn")
    loop.run_forever()
    see("stopped")
    loop.call_soon(loop.stop)
    loop.run_forever()


@same_on_both
def test_awaiting_a_future_of_another_loop(aio: ModuleType, see: Witness) -> None:
    loop, other = see.new_loop(), see.new_loop()
    foreign = other.create_future()

    async def wait_for(thing: Any) -> None:
        await see.attempt_await(thing)

    async def sleep() -> None:
        await aio.sleep(0)

    loop.run_until_complete(wait_for(foreign))
    task = other.create_task(sleep(), name="of the other loop")
    loop.run_until_complete(wait_for(task))
    other.run_until_complete(task)
    see.attempt(loop.run_until_complete, foreign)
    foreign.set_result("done")
    loop.run_until_complete(wait_for(foreign))


@same_on_both
def test_gathering_futures_of_two_loops(aio: ModuleType, see: Witness) -> None:
    loop, other = see.new_loop(), see.new_loop()
    futures = [loop.create_future(), other.create_future()]

    async def main() -> None:
        see.attempt(aio.gather, *futures)
        see.attempt(aio.gather, futures[1])
        see.attempt(aio.ensure_future, futures[1], loop=loop)
        see.attempt(asyncio.shield, futures[1])
        see.attempt(asyncio.wrap_future, futures[1])

    loop.run_until_complete(main())
    for future in futures:
        future.cancel()


@same_on_both
def test_the_running_loop_is_required(aio: ModuleType, see: Witness) -> None:
    async def never() -> None:
        see("never runs")

    for function in (aio.create_task, asyncio.get_running_loop, asyncio.current_task, asyncio.all_tasks):
        coro = never()
        see.attempt(function, *([coro] if function is aio.create_task else []))
        coro.close()
    coro = aio.sleep(1)
    see.attempt(coro.send, None)
    coro = aio.sleep(0, "without a loop")
    see.attempt(coro.send, None)
    see.attempt(coro.send, None)


@same_on_both
def test_the_wrong_thread_is_noticed_in_debug_mode(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop(debug=True)

    def elsewhere() -> None:
        see.attempt(loop.call_soon, print)
        see.attempt(loop.call_later, 1, print)
        see.attempt(loop.call_at, 1, print)
        future = loop.create_future()
        future.add_done_callback(print)
        see.attempt(future.set_result, None)
        loop.call_soon_threadsafe(see, "called from another thread")

    async def main() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        await aio.sleep(0)

    loop.run_until_complete(main())


@same_on_both
def test_outside_debug_mode_the_thread_is_not_looked_at(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    def elsewhere() -> None:
        loop.call_soon(see, "called")
        loop.call_later(0, see, "called later").cancel()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    loop.run_until_complete(aio.sleep(0))


@same_on_both
def test_blocking_sockets_are_refused_in_debug_mode(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop(debug=True)
    with socket.socket() as sock:
        sock.setblocking(True)

        async def main() -> None:
            await see.attempt_await(loop.sock_recv(sock, 1))
            await see.attempt_await(loop.sock_connect(sock, ("127.0.0.1", 1)))

        loop.run_until_complete(main())


@same_on_both
def test_a_loop_that_is_never_closed_is_reported(aio: ModuleType, see: Witness) -> None:
    loop = aio.new_event_loop()
    see(repr(loop))
    del loop
    see("dropped")


@same_on_both
def test_a_loop_that_was_run_and_never_closed_is_reported(aio: ModuleType, see: Witness) -> None:
    loop = aio.new_event_loop()
    loop.run_until_complete(aio.sleep(0))
    del loop
    see("dropped")


@same_on_both
def test_arguments_that_calls_do_not_take(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for method, args, kwargs in (
        (loop.call_soon, [], {}),
        (loop.call_soon, [], {"callback": print}),
        (loop.call_soon, [print], {"nonsense": 1}),
        (loop.call_later, [1], {}),
        (loop.call_later, [], {}),
        (loop.call_later, [], {"delay": 1, "callback": print}),
        (loop.call_at, [1], {}),
        (loop.call_at, [], {}),
        (loop.call_at, [], {"when": 1, "callback": print}),
        (loop.call_soon_threadsafe, [], {}),
        (loop.call_soon_threadsafe, [], {"callback": print}),
        (loop.create_future, [1], {}),
        (loop.create_task, [], {}),
        (loop.stop, [1], {}),
        (loop.time, [1], {}),
        (loop.is_closed, [1], {}),
    ):
        error = None
        try:
            method(*args, **kwargs)
        except TypeError as raised:
            error = raised
        # CPython words these by the function's signature, which differs between C and Python functions.
        see(type(error).__name__)


@same_on_both
def test_callbacks_that_are_not_callable(aio: ModuleType, see: Witness) -> None:
    async def coroutine_function() -> None:
        pass

    for debug in (False, True):
        loop = see.new_loop(debug=debug)
        for callback in (None, 1, "text", coroutine_function):
            for method, args in (
                ("call_soon", ()),
                ("call_later", (1,)),
                ("call_at", (1,)),
                ("call_soon_threadsafe", ()),
            ):
                handle = see.attempt(getattr(loop, method), *args, callback)
                if isinstance(handle, asyncio.Handle):
                    handle.cancel()
        coro = coroutine_function()
        handle = see.attempt(loop.call_soon, coro)
        if isinstance(handle, asyncio.Handle):
            handle.cancel()
        coro.close()


@same_on_both
def test_contexts_that_are_none(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    loop.call_soon(see, "ran", context=None)
    for context in (1, "text"):
        handle = loop.call_soon(see, "runs in", context=context)  # type: ignore[arg-type]
        see(handle._context)
    see.attempt(loop.run_until_complete, aio.sleep(0))
