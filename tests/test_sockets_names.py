"""`getaddrinfo`, `getnameinfo`, and addresses that are no names."""

import asyncio
import socket
import sys
from collections.abc import Coroutine
from types import ModuleType
from typing import Any

import hypothesis.strategies as some
import pytest
import roundelay
from hypothesis import given, settings
from support.both import Witness, same_on_both

LITERALS = [
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "127.1",
    "0x7f.1",
    "017700000001",
    "1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "fe80::1%lo",
    "fe80::1%1",
    "ff02::1%lo",
    "::1%lo",
    "2001:DB8::0:1",
    "1:2:3:4:5:6:7::",
]
PORTS: list[Any] = [None, 0, 80, 65535, "80", "0080"]


def has_executor(loop: Any) -> bool:
    return loop._default_executor is not None


async def outcome(awaitable: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await awaitable
    except Exception as error:
        return type(error), str(error)


def expected(function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("host", LITERALS)
def test_literals_are_answered_at_once_and_like_the_system(host: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        order: list[str] = []
        loop.call_soon(order.append, "a turn")
        for port in PORTS:
            for family in (0, socket.AF_INET, socket.AF_INET6):
                for kind in (0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
                    for proto in (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                        for flags in (0, socket.AI_PASSIVE, socket.AI_CANONNAME, socket.AI_NUMERICHOST):
                            args = (host, port, family, kind, proto, flags)
                            answer = expected(socket.getaddrinfo, *args)
                            if not isinstance(answer, list):
                                continue
                            found = await loop.getaddrinfo(
                                host, port, family=family, type=kind, proto=proto, flags=flags
                            )
                            assert found == answer, args
        assert not order, "a literal took a turn of the loop"
        assert not has_executor(loop)

    roundelay.run(main())


@pytest.mark.parametrize("debug", [False, True])
@same_on_both
def test_names_and_nonsense_are_looked_up_by_a_thread(aio: ModuleType, see: Witness, debug: bool) -> None:
    async def main() -> None:
        loop = aio.get_running_loop()
        for args, options in [
            (("localhost", 80), {"type": socket.SOCK_STREAM}),
            (("localhost", "http"), {"family": socket.AF_INET}),
            (("127.0.0.1", "http"), {"type": socket.SOCK_STREAM}),
            (("127.0.0.1", "no such service"), {}),
            (("127.0.0.1", 80), {"family": 12345}),
            (("127.0.0.1", 80), {"type": 12345}),
            (("127.0.0.1", 80), {"flags": 1 << 30}),
            (("127.0.0.1", 80), {"flags": "none"}),
            (("127.0.0.1", 1 << 70), {}),
            (("127.0.0.1", -1), {}),
            (("127.0.0.1", 1.5), {}),
            (("127.0.0.1", " 80"), {}),
            (("127.0.0.1", ""), {}),
            ((b"127.0.0.1", b"80"), {"type": socket.SOCK_STREAM}),
            ((None, 80), {"type": socket.SOCK_STREAM, "family": socket.AF_INET}),
            (("1.2.3.4.5", 80), {"flags": socket.AI_NUMERICHOST}),
            (("::1::", 80), {"flags": socket.AI_NUMERICHOST}),
            (("fe80::1%nosuchinterface", 80), {"flags": socket.AI_NUMERICHOST}),
            (("", 80), {}),
            ((1, 80), {}),
        ]:
            see(args, options)
            await see.attempt_await(loop.getaddrinfo(*args, **options))
        see(has_executor(loop))
        see.attempt(loop.getaddrinfo)
        see.attempt(loop.getaddrinfo, "127.0.0.1", 80, 0)
        see.attempt(loop.getaddrinfo, "127.0.0.1", 80, kind=0)
        see.attempt(loop.getnameinfo)

    # How long a look-up takes is said in debug mode, and differs.
    loop = see.new_loop(debug=debug)
    loop.slow_callback_duration = 100
    if debug:
        aio.log.logger.disabled = True
    try:
        see.attempt(loop.run_until_complete, main())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        aio.log.logger.disabled = False
        loop.close()


def test_numbers_are_named_at_once_if_no_name_is_wanted() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        for address in [
            ("127.0.0.1", 80),
            ("::1", 80),
            ("::1", 80, 0, 0),
            ("fe80::1%lo", 80),
            ("fe80::1", 80, 0, 1),
            ("localhost", 80),
            ("127.0.0.1", "80"),
            ("127.0.0.1",),
            None,
        ]:
            for flags in (numeric, numeric | socket.NI_DGRAM, numeric | socket.NI_NAMEREQD):
                answer = expected(socket.getnameinfo, address, flags)
                assert await outcome(loop.getnameinfo(address, flags)) == answer  # type: ignore[arg-type]
        assert not has_executor(loop)
        address = ("127.0.0.1", 80)
        for flags in (0, socket.NI_NUMERICHOST, socket.NI_NUMERICSERV):
            assert await loop.getnameinfo(address, flags) == socket.getnameinfo(address, flags)
        assert has_executor(loop)

    roundelay.run(main())


def test_whoever_replaces_getaddrinfo_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def own(*args: Any) -> Any:
        asked.append(args)
        return ["mine"]

    class Own(roundelay.EventLoop):
        def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
            asked.append("executor")
            return super().run_in_executor(executor, func, *args)

    async def main() -> Any:
        return await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)

    for module in ("getaddrinfo", "getnameinfo"):
        monkeypatch.setattr(socket, module, own)
    assert roundelay.run(main()) == ["mine"]
    assert asked == [("127.0.0.1", 80, 0, 0, 0, 0)]
    monkeypatch.undo()
    asked.clear()
    with roundelay.Runner(loop_factory=Own) as runner:
        assert runner.run(main()) == socket.getaddrinfo("127.0.0.1", 80)
        # The runner shuts the executor down by a call of its own.
        assert asked == ["executor"]


PARTS = some.sampled_from(
    [
        *(":", "::", ".", "%", "-", " ", "/"),
        *("0", "1", "9", "00", "01", "10", "127", "255", "256", "ff", "FFFF", "10000", "g", "0x1", "\u0661"),
        *("1.2.3.4", "lo"),
    ]
)
HOSTS = some.lists(PARTS, max_size=17).map("".join) | some.sampled_from(LITERALS)


class Stopped(Exception):
    """Ends an attempt before anything reaches the network."""


class Auditor:
    """Hears what an attempt to connect does first. (A hook stays for good, so there is one.)"""

    def __init__(self) -> None:
        self.heard: list[Any] | None = None
        self.hooked = False

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.heard is not None and event in ("socket.connect", "socket.getaddrinfo"):
            self.heard.append((event, arguments[1] if event == "socket.connect" else None))
            raise Stopped

    def first_event(self, make_loop: Any, family: int, host: str) -> Any:
        """Whether a name is looked up, or which address is connected to."""
        if not self.hooked:
            sys.addaudithook(self.hook)
            self.hooked = True

        async def main() -> None:
            with socket.socket(family) as sock:
                sock.setblocking(False)
                self.heard = []
                try:
                    await asyncio.get_running_loop().sock_connect(sock, (host, 1))
                except (Stopped, UnicodeError, OSError) as error:
                    self.heard.append(type(error))

        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(main())
        heard, self.heard = self.heard, None
        return heard and heard[0]


AUDITOR = Auditor()


@settings(max_examples=150, deadline=None)
@given(host=HOSTS, family=some.sampled_from([socket.AF_INET, socket.AF_INET6]))
def test_the_same_texts_are_addresses(host: str, family: int) -> None:
    expected = AUDITOR.first_event(asyncio.SelectorEventLoop, family, host)
    assert expected is not None
    assert AUDITOR.first_event(roundelay.EventLoop, family, host) == expected
