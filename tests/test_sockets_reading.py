"""`sock_recv`, `sock_recv_into`, `sock_recvfrom`, `sock_recvfrom_into`: as on asyncio, turn by turn."""

import array
import asyncio
import socket
from types import ModuleType
from typing import Any

import pytest
import roundelay
from support.both import Witness, same_on_both
from support.sockets import pair, turns


class OwnSocket(socket.socket):
    """A socket that does things of its own."""

    def recv(self, *args: Any) -> bytes:
        return super().recv(*args).upper()


@same_on_both
def test_what_is_there_is_read_at_once(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        order: list[str] = []
        with pair() as (near, far), pair(kind=socket.SOCK_DGRAM) as (one, other):
            far.send(b"0123456789")
            loop.call_soon(order.append, "a turn")
            see(await loop.sock_recv(near, 4))
            buffer = bytearray(8)
            see(await loop.sock_recv_into(near, buffer), bytes(buffer))
            other.send(b"datagram")
            see(await loop.sock_recvfrom(one, 100))
            other.send(b"datagram")
            see(await loop.sock_recvfrom_into(one, buffer), bytes(buffer))
            other.send(b"datagram")
            see(await loop.sock_recvfrom_into(one, buffer, 3), bytes(buffer))
            # None of that took a turn.
            see(order)

    see.run(main())


@same_on_both
def test_what_is_not_there_yet_is_waited_for(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        buffer = bytearray(8)
        with pair() as (near, far), pair(kind=socket.SOCK_DGRAM) as (one, other):

            async def wait(name: str, receiving: Any) -> None:
                see(name, await receiving, bytes(buffer))

            for name, receiving, sender in [
                ("recv", loop.sock_recv(near, 100), far),
                ("recv_into", loop.sock_recv_into(near, buffer), far),
                ("recvfrom", loop.sock_recvfrom(one, 100), other),
                ("recvfrom_into", loop.sock_recvfrom_into(one, buffer), other),
                ("recvfrom_into some", loop.sock_recvfrom_into(one, buffer, 2), other),
            ]:
                task = loop.create_task(wait(name, receiving))
                await turns(aio)
                sender.send(b"abcdef")
                for turn in range(5):
                    see("turn", turn, task.done())
                    await aio.sleep(0)
                await task

    see.run(main())


@same_on_both
def test_the_end_of_a_connection_is_read_as_nothing(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            task = loop.create_task(loop.sock_recv(near, 100))
            await turns(aio)
            far.close()
            see(await task, await loop.sock_recv(near, 100))
            buffer = bytearray(3)
            see(await loop.sock_recv_into(near, buffer))

    see.run(main())


@same_on_both
def test_a_reset_connection_raises(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
        with near:
            near.setblocking(False)
            task = loop.create_task(loop.sock_recv(near, 100))
            await turns(aio)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            far.close()
            await see.attempt_await(task)

    see.run(main())


@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_misuse_is_refused_in_asyncios_words(aio: ModuleType, see: Witness, debug: bool) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            far.send(b"data")
            for size in (-1, None, "3", 2.5, 1 << 70):
                await see.attempt_await(loop.sock_recv(near, size))
                await see.attempt_await(loop.sock_recvfrom(near, size))
            for buffer in (None, b"bytes", "text", [1, 2], memoryview(b"bytes")):
                await see.attempt_await(loop.sock_recv_into(near, buffer))
                await see.attempt_await(loop.sock_recvfrom_into(near, buffer))
            await see.attempt_await(loop.sock_recvfrom_into(near, bytearray(4), 5))
            await see.attempt_await(loop.sock_recvfrom_into(near, bytearray(4), -1))
            for nonsense in (None, 1, "socket", object()):
                await see.attempt_await(loop.sock_recv(nonsense, 1))
                await see.attempt_await(loop.sock_recv_into(nonsense, bytearray(1)))
                await see.attempt_await(loop.sock_recvfrom(nonsense, 1))
                await see.attempt_await(loop.sock_recvfrom_into(nonsense, bytearray(1)))
            # Nothing was lost.
            see(await loop.sock_recv(near, 0), await loop.sock_recv_into(near, bytearray()))
            see(await loop.sock_recv(near, True), await loop.sock_recv(near, 1 << 20))
            near.close()
            await see.attempt_await(loop.sock_recv(near, 1))
            await see.attempt_await(loop.sock_recv_into(near, bytearray(1)))

    see.run(main(), debug=debug)


@same_on_both
def test_calls_that_do_not_fit_are_refused(aio: ModuleType, see: Witness) -> None:
    loop = see.new_loop()
    for name in ("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into"):
        method = getattr(loop, name)
        see.attempt(method)
        see.attempt(method, 1, 2, 3, 4)
        see.attempt(method, 1, sock=2)
        see.attempt(method, 1, 2, other=3)
        see(aio.iscoroutinefunction(method), method.__name__, method.__qualname__)


@same_on_both
def test_a_socket_that_blocks_is_refused_in_debug_mode(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, _):
            for timeout in (None, 1.5):
                near.settimeout(timeout)
                await see.attempt_await(loop.sock_recv(near, 1))
                await see.attempt_await(loop.sock_recv_into(near, bytearray(1)))
                await see.attempt_await(loop.sock_recvfrom(near, 1))
                await see.attempt_await(loop.sock_recvfrom_into(near, bytearray(1)))

    see.run(main(), debug=True)


@same_on_both
def test_methods_of_a_socket_of_the_users_are_called(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            own = OwnSocket(fileno=near.detach())
            with own:
                own.setblocking(False)
                far.send(b"at once")
                see(await loop.sock_recv(own, 100))
                task = loop.create_task(loop.sock_recv(own, 100))
                await turns(aio)
                far.send(b"later")
                see(await task)

    see.run(main())


class Duck:
    """Something that is no socket, but has what is asked of one."""

    def __init__(self, see: Witness, sock: socket.socket, failure: BaseException | None = None) -> None:
        self.see, self.sock, self.failure, self.patience = see, sock, failure, 2

    def fileno(self) -> int:
        self.see("fileno")
        return self.sock.fileno()

    def gettimeout(self) -> float:
        return 0.0

    def recv(self, size: int) -> bytes:
        self.see("recv", size)
        if self.patience:
            self.patience -= 1
            raise BlockingIOError if self.patience else InterruptedError
        if self.failure is not None:
            raise self.failure
        return self.sock.recv(size)


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("failure", [None, ValueError, KeyError])
@same_on_both
def test_what_is_no_socket_has_its_methods_called(
    aio: ModuleType, see: Witness, debug: bool, failure: type[Exception] | None
) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            far.send(b"data")
            await see.attempt_await(loop.sock_recv(Duck(see, near, failure and failure("failed")), 100))

    see.run(main(), debug=debug)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@same_on_both
def test_an_order_to_end_the_program_is_obeyed(
    aio: ModuleType, see: Witness, error: type[BaseException]
) -> None:
    loop = see.new_loop()
    with pair() as (near, far):
        duck = Duck(see, near, error("stop"))

        async def main() -> None:
            see(await loop.sock_recv(duck, 100))

        task = loop.create_task(main())
        far.send(b"data")
        see.attempt(loop.run_until_complete, task)
        # Who goes on all the same gets what was waited for.
        duck.failure = None
        see.attempt(loop.run_until_complete, task)


@same_on_both
def test_a_future_that_was_finished_by_somebody_else_is_left_alone(aio: ModuleType, see: Witness) -> None:
    # In the turn in which data arrives, the task is cancelled, before or after the socket is read.
    async def main() -> None:
        loop = aio.get_running_loop()
        for turn in range(4):
            with pair() as (near, far):
                task = loop.create_task(loop.sock_recv(near, 100))
                await turns(aio)
                far.send(b"data")
                await turns(aio, turn)
                task.cancel()
                await see.attempt_await(task)
                see(turn, task.cancelled(), loop.remove_reader(near))

    see.run(main())


@same_on_both
def test_cancelling_ends_the_waiting(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            for message in (None, "a message"):
                task = loop.create_task(loop.sock_recv(near, 100))
                await turns(aio)
                task.cancel(message)
                await see.attempt_await(task)
                see(task.cancelling(), loop.remove_reader(near))
            # What comes later is for the next one.
            far.send(b"data")
            see(await loop.sock_recv(near, 100))

    see.run(main())


@same_on_both
def test_a_later_reader_takes_the_place_of_one_that_waits(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            first = loop.create_task(loop.sock_recv(near, 2))
            await turns(aio)
            second = loop.create_task(loop.sock_recv(near, 2))
            await turns(aio)
            far.send(b"abcdef")
            await turns(aio, 5)
            see(first.done(), second.done())
            # The end of the one that gave way takes nothing away from the other.
            third = loop.create_task(loop.sock_recv(near, 2))
            first.cancel()
            see(await third)
            await see.attempt_await(first)
            await see.attempt_await(second)
            # A reader of the program's, too.
            drained = near.recv(100)
            waiting = loop.create_task(loop.sock_recv(near, 2))
            await turns(aio)
            loop.add_reader(near, lambda: see("reader", near.recv(100)))
            waiting.cancel()
            await see.attempt_await(waiting)
            far.send(b"xyz")
            await turns(aio)
            see(drained, loop.remove_reader(near), loop.remove_reader(near))

    see.run(main())


@same_on_both
def test_reading_and_writing_wait_at_the_same_socket(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair(buffer_size=4096) as (near, far):
            reading = loop.create_task(loop.sock_recv(near, 100))
            await turns(aio)
            writing = loop.create_task(loop.sock_sendall(near, bytes(100_000)))
            await turns(aio)
            far.send(b"data")
            see(await reading, writing.done())
            again = loop.create_task(loop.sock_recv(near, 100))
            received = 0
            while received < 100_000:
                received += len(await loop.sock_recv(far, 1 << 16))
            see(received, await writing, again.done())
            far.send(b"more")
            see(await again)
            see(loop.remove_reader(near), loop.remove_writer(near))

    see.run(main())


@same_on_both
def test_removing_the_reader_by_hand_leaves_the_task_waiting(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, far):
            task = loop.create_task(loop.sock_recv(near, 100))
            await turns(aio)
            see(loop.remove_reader(near), loop.remove_reader(near.fileno()))
            far.send(b"data")
            await turns(aio, 5)
            see(task.done())
            task.cancel()
            await see.attempt_await(task)

    see.run(main())


@same_on_both
def test_a_socket_of_a_transport_is_left_to_it(aio: ModuleType, see: Witness) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        with pair() as (near, _):
            number = near.fileno()
            transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, near)
            for waiting in (
                loop.sock_recv(near, 1),
                loop.sock_recv_into(near, bytearray(1)),
                loop.sock_recvfrom(near, 1),
                loop.sock_recvfrom_into(near, bytearray(1)),
                loop.sock_accept(near),
            ):
                try:
                    await waiting
                except (RuntimeError, OSError) as error:
                    see(type(error).__name__, str(error).replace(str(number), "N"))
            transport.close()
            await turns(aio)
            see(near.fileno())

    see.run(main())


def test_a_number_that_is_another_files_by_now_is_watched_all_the_same() -> None:
    # The task that waits for the first is cancelled, but not resumed yet, when its number is used again.
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pair() as (near, _):
            number = near.fileno()
            first = loop.create_task(loop.sock_recv(near, 100))
            await roundelay.sleep(0)
            first.cancel()
            near.close()
            with pair() as (again, far):
                assert again.fileno() == number
                second = loop.create_task(loop.sock_recv(again, 100))
                await turns(roundelay)
                assert first.cancelled()
                assert not second.done()
                far.send(b"data")
                assert await second == b"data"
        # And where a reader stayed behind, which asyncio's loop would go on waiting for in vain.
        with pair() as (near, _):
            number = near.fileno()
            loop.add_reader(near, lambda: None)
            near.close()
            with pair() as (again, far):
                assert again.fileno() == number
                heard: list[bytes] = []
                loop.add_reader(again, lambda: heard.append(again.recv(100)))
                far.send(b"data")
                await turns(roundelay)
                assert heard == [b"data"]
                assert loop.remove_reader(again)

    roundelay.run(main())


def test_large_amounts_are_read_as_they_are_asked_for() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        content = bytes(range(256)) * 4096
        for size in (1, 1000, 65536, 262144, 262145, 1 << 22):
            with pair() as (near, far):
                sending = loop.create_task(loop.sock_sendall(far, content))
                received = bytearray()
                while len(received) < min(len(content), size * 1000):
                    data = await loop.sock_recv(near, size)
                    assert 0 < len(data) <= size
                    received += data
                assert bytes(received) == content[: len(received)]
                sending.cancel()
                await roundelay.gather(sending, return_exceptions=True)

    roundelay.run(main())


def test_a_buffer_of_any_shape_is_filled() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pair() as (near, far):
            numbers = array.array("I", [0, 0, 0])
            far.send(bytes(range(12)))
            assert await loop.sock_recv_into(near, numbers) == 12
            assert numbers.tobytes() == bytes(range(12))
            room = bytearray(10)
            far.send(b"abc")
            assert await loop.sock_recv_into(near, memoryview(room)[4:6]) == 2
            assert room == b"\0\0\0\0ab\0\0\0\0"

    roundelay.run(main())


def test_waiting_needs_one_system_call_and_no_place_in_the_selector() -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        with pair() as (near, far):
            task = loop.create_task(loop.sock_recv(near, 100))
            await turns(roundelay)
            key = loop._selector.get_key(near)
            assert key.events == 1
            assert repr(key.data[0]._callback) == "<sock_recv>"
            far.send(b"data")
            assert await task == b"data"
            assert near.fileno() not in loop._selector.get_map()

    roundelay.run(main())
