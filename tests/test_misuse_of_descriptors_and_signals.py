"""Descriptors that cannot be watched, and signals that cannot be handled."""

import asyncio
import gc
import os
import signal
import socket
import threading
import warnings
import weakref
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both


class HasFileno:
    def __init__(self, number: Any) -> None:
        self.number = number

    def fileno(self) -> Any:
        if isinstance(self.number, BaseException):
            raise self.number
        return self.number

    def __repr__(self) -> str:
        return "<has fileno>"


THINGS: dict[str, Any] = {
    "minus one": lambda: -1,
    "very negative": lambda: -(2**40),
    "not open": lambda: 987,
    "none": lambda: None,
    "text": lambda: "1",
    "float": lambda: 1.0,
    "object": object,
    "fileno of minus one": lambda: HasFileno(-1),
    "fileno of text": lambda: HasFileno("no number"),
    "fileno that raises": lambda: HasFileno(ValueError("no fileno")),
    "fileno that is not open": lambda: HasFileno(987),
}


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
@pytest.mark.parametrize("name", THINGS)
@same_on_both
def test_things_that_are_no_descriptor(aio: ModuleType, see: Witness, name: str, method: str) -> None:
    loop = see.new_loop()
    thing = THINGS[name]()
    args = (thing, print) if method.startswith("add") else (thing,)
    try:
        see("returned", getattr(loop, method)(*args))
    except Exception as error:
        # Which object has no descriptor shows with its address; what lies below differs in its words.
        see(type(error).__name__, getattr(error, "errno", None), str(error).split("<")[0])
    loop.run_until_complete(aio.sleep(0))
    see("still usable")


def _attempt_system_call(see: Witness, function: Any, *args: Any) -> None:
    """The error of the system alone: asyncio's selectors raise it while they handle others."""
    try:
        see("returned", function(*args))
    except OSError as error:
        see(type(error).__name__, error.errno, error.strerror)


@same_on_both
def test_files_are_refused_by_the_system(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    with open(__file__, "rb") as file:
        for method, thing in ((loop.add_reader, file), (loop.add_writer, file.fileno())):
            _attempt_system_call(see, method, thing, print)
        see.attempt(loop.remove_reader, file)


@same_on_both
def test_a_closed_descriptor(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    reader, writer = os.pipe()
    loop.add_reader(reader, see, "never called")
    os.close(reader)
    os.close(writer)
    loop.run_until_complete(aio.sleep(0.001))
    see.attempt(loop.remove_reader, reader)
    see.attempt(loop.remove_reader, reader)
    _attempt_system_call(see, loop.add_reader, reader, print)


@same_on_both
def test_a_descriptor_that_was_closed_and_opened_anew(aio: ModuleType, see: Witness) -> None:
    """The number is the same, the pipe is another. Who watches it properly is served."""
    loop = see.new_loop()
    first = os.pipe()
    loop.add_reader(first[0], see, "the old one")
    os.close(first[0])
    os.close(first[1])
    second = os.pipe()
    assert first[0] in second
    see.attempt(loop.remove_reader, first[0])
    loop.add_reader(second[0], lambda: see("the new one", os.read(second[0], 9)))
    os.write(second[1], b"x")
    loop.run_until_complete(aio.sleep(0.001))
    see.attempt(loop.remove_reader, second[0])
    os.close(second[0])
    os.close(second[1])


@same_on_both
def test_watching_and_not_watching(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        see.attempt(loop.remove_reader, left)
        see.attempt(loop.add_reader, left, see, "first callback")
        see.attempt(loop.add_reader, left.fileno(), see, "second callback takes its place")
        see.attempt(loop.add_writer, left, see, "writable")
        right.send(b"x")
        loop.run_until_complete(aio.sleep(0))
        see.attempt(loop.remove_writer, left)
        see.attempt(loop.remove_writer, left)
        loop.run_until_complete(aio.sleep(0))
        see.attempt(loop.remove_reader, left)
        see.attempt(loop.remove_reader, left)
        loop.run_until_complete(aio.sleep(0))
        see("quiet")


@same_on_both
def test_a_socket_is_known_after_it_was_closed(aio: ModuleType, see: Witness) -> None:
    """It has no descriptor any more, and is found by what it was given as."""
    loop = see.new_loop()
    left, right = socket.socketpair()
    with left, right:
        loop.add_reader(left, see, "never called")
        loop.add_writer(right, see, "never called")
        see(loop._selector.get_map()[left.fileno()].fileobj is left)
        number = right.fileno()
        left.close()
        right.close()
        see.attempt(loop.remove_writer, left)
        see.attempt(loop.remove_reader, left)
        see.attempt(loop.remove_reader, left)
        see.attempt(loop.remove_writer, number)
        see.attempt(loop.remove_writer, right)
        loop.run_until_complete(aio.sleep(0))
    left, right = socket.socketpair()
    with left, right:
        # One that was given by number is not.
        number = right.fileno()
        loop.add_reader(number, see, "never called")
        right.close()
        see.attempt(loop.remove_reader, right)
        see.attempt(loop.remove_reader, number)
    loop.close()
    see.attempt(loop.remove_reader, left)
    see.attempt(loop.remove_writer, -1)


def test_a_closed_socket_with_both_sides_watched_is_no_trouble() -> None:
    """Where asyncio hears from the system that the descriptor is closed, and raises."""
    loop = roundelay.new_event_loop()
    left, right = socket.socketpair()
    with left, right:
        loop.add_reader(left, print)
        loop.add_writer(left, print)
        left.close()
        assert loop.remove_reader(left)
        assert loop.remove_writer(left)
        with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
            loop.remove_writer(left)
    loop.close()


@same_on_both
def test_a_loop_keeps_a_socket_while_it_watches_it(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()

    def watched(add: Any) -> weakref.ref[socket.socket]:
        left, right = socket.socketpair()
        right.close()
        left.setblocking(False)
        add(left, readable_or_writable)
        return weakref.ref(left)

    def readable_or_writable() -> None:
        sock = known()
        see("called", loop.remove_reader(sock), loop.remove_writer(sock))

    for add in (loop.add_reader, loop.add_writer):
        known = watched(add)
        gc.collect()
        see(known() is not None)
        with warnings.catch_warnings(action="ignore"):
            loop.run_until_complete(aio.sleep(0.001))
            gc.collect()
        see(known() is not None)


@same_on_both
def test_a_callback_that_unwatches_itself_and_the_other_side(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    left, right = socket.socketpair()
    with left, right:

        def readable() -> None:
            see("readable", loop.remove_reader(left), loop.remove_writer(left))

        loop.add_reader(left, readable)
        loop.add_writer(left, see, "never called: taken away before its turn")
        right.send(b"x")
        loop.run_until_complete(aio.sleep(0))
        loop.run_until_complete(aio.sleep(0))


@same_on_both
def test_callbacks_of_descriptors_that_raise(aio: ModuleType, see: Witness) -> None:
    def fails(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 3:
            os.read(reader, 1)
        raise ValueError("from a reader")

    calls: list[Any] = []
    loop = see.new_loop()
    reader, writer = os.pipe()
    os.write(writer, b"x")
    loop.add_reader(reader, fails, 1, "two")
    loop.run_until_complete(aio.sleep(0.002))
    see(calls, loop.remove_reader(reader))
    os.close(reader)
    os.close(writer)


@same_on_both
def test_descriptors_that_belong_to_a_transport(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with right:
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
            number = left.fileno()
            for method in (loop.add_reader, loop.add_writer):
                error = see.attempt(lambda method=method: method(number, print) and None)
                see("transport" in str(error))
            for method in (loop.remove_reader, loop.remove_writer):
                see("transport" in str(see.attempt(method, number)))
            transport.close()
            await aio.sleep(0)

    loop = see.new_loop()
    # What the error shows of the transport has a number in it that differs.
    loop.run_until_complete(main())
    see.records[:] = [record for record in see.records if record[0] != "raised"]


@pytest.mark.parametrize("number", [0, -1, 1000, 9, 19, "x", None, 1.5, signal.SIGKILL])
@same_on_both
def test_signals_that_cannot_be_handled(aio: ModuleType, see: Witness, number: Any) -> None:
    loop = see.new_loop()
    see.attempt(loop.add_signal_handler, number, print)
    see.attempt(loop.remove_signal_handler, number)


@same_on_both
def test_signal_handlers_that_are_not_callable(aio: ModuleType, see: Witness) -> None:
    async def handler() -> None:
        pass

    loop = see.new_loop()
    coro = handler()
    for callback in (handler, coro):
        error = see.attempt(loop.add_signal_handler, signal.SIGUSR1, callback)
        see(type(error).__name__)
    coro.close()
    see.attempt(loop.remove_signal_handler, signal.SIGUSR1)


@same_on_both
def test_signals_outside_the_main_thread(aio: ModuleType, see: Witness) -> None:
    def elsewhere() -> None:
        loop = see.new_loop()
        see.attempt(loop.add_signal_handler, signal.SIGUSR1, print)
        see.attempt(loop.remove_signal_handler, signal.SIGUSR1)
        loop.run_until_complete(aio.sleep(0))
        loop.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()


@same_on_both
def test_signal_handlers_come_and_go(aio: ModuleType, see: Witness) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    loop = see.new_loop()
    see.attempt(loop.add_signal_handler, signal.SIGUSR1, see, "handler", 1)
    see.attempt(loop.add_signal_handler, signal.SIGUSR1, see, "another takes its place", 2)
    signal.raise_signal(signal.SIGUSR1)
    loop.run_until_complete(aio.sleep(0.002))
    see(loop.remove_signal_handler(signal.SIGUSR1), loop.remove_signal_handler(signal.SIGUSR1))
    see(signal.getsignal(signal.SIGUSR1) is before, signal.set_wakeup_fd(-1))
    loop.add_signal_handler(signal.SIGUSR2, print)
    loop.close()
    see(signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL, signal.set_wakeup_fd(-1))


@same_on_both
def test_signal_handlers_that_stay_for_two_runs(aio: ModuleType, see: Witness) -> None:
    """As a server does it: the first run serves, the second one cleans up."""

    async def begin(loop: asyncio.AbstractEventLoop) -> None:
        loop.add_signal_handler(signal.SIGUSR1, see, "handler")

    async def end(loop: asyncio.AbstractEventLoop) -> None:
        signal.raise_signal(signal.SIGUSR1)
        await aio.sleep(0.001)
        see(loop.remove_signal_handler(signal.SIGUSR1))

    for _ in range(2):
        loop = see.new_loop()
        loop.run_until_complete(begin(loop))
        loop.run_until_complete(end(loop))
        loop.close()
        see("nobody listens", signal.set_wakeup_fd(-1))


@same_on_both
def test_somebody_listened_to_signals_and_is_gone(aio: ModuleType, see: Witness) -> None:
    for close in (False, True):
        left, right = socket.socketpair()
        with left, right:
            right.setblocking(False)
            signal.set_wakeup_fd(right.fileno())
            if close:
                right.close()
            loop = see.new_loop()
            loop.run_until_complete(aio.sleep(0))
            loop.close()
            see(signal.set_wakeup_fd(-1) == right.fileno() if not close else "closed")


@same_on_both
def test_a_signal_handler_that_raises(aio: ModuleType, see: Witness) -> None:
    def handler() -> None:
        raise ValueError("from a signal handler")

    loop = see.new_loop()
    loop.add_signal_handler(signal.SIGUSR1, handler)
    signal.raise_signal(signal.SIGUSR1)
    loop.run_until_complete(aio.sleep(0.002))
    loop.remove_signal_handler(signal.SIGUSR1)


@same_on_both
def test_a_python_signal_handler_that_raises_while_the_loop_waits(aio: ModuleType, see: Witness) -> None:
    def handler(*_: Any) -> None:
        raise ValueError("from Python's own handler")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        loop = see.new_loop()
        pid = os.getpid()
        timer = threading.Timer(0.05, os.kill, (pid, signal.SIGUSR1))
        loop.call_soon(timer.start)
        loop.call_later(10, loop.stop)
        see.attempt(loop.run_forever)
        timer.join()
        see(loop.is_running())
    finally:
        signal.signal(signal.SIGUSR1, before)


@same_on_both
def test_a_python_signal_handler_runs_while_the_loop_waits(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.stop())
    try:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        loop.call_soon(timer.start)
        # asyncio needs something to wake it after the handler: its wait goes on until then.
        loop.call_later(0.1, lambda: None)
        loop.run_forever()
        timer.join()
        see("stopped")
    finally:
        signal.signal(signal.SIGUSR1, before)
