"""What programs that run under injected faults are made of: peers that nothing goes wrong for, protocols that
take down what they are told, and a verdict on the bytes that arrived."""

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from support.faults import Injection

# What one side sends. No two places in it look alike, so nothing can be lost, doubled or swapped unseen.
DATA = b"".join(b"%07d." % number for number in range(5000))

# How long a peer waits for anything, in seconds.
PATIENCE = 5.0

_VARYING = re.compile(r"0x[0-9a-f]+|\d+")


def verdict(received: bytes, sent: bytes = DATA) -> str:
    """Whether everything arrived, or a part from its beginning on, or something that was never sent."""
    if received == sent:
        return "everything"
    return "a part" if sent.startswith(received) else "SOMETHING ELSE"


def named(error: BaseException | None) -> str:
    """An exception without the numbers in it that differ from run to run."""
    if error is None:
        return "None"
    number = f" [{error.errno}]" if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else ""
    inner = [named(one) for one in error.exceptions] if isinstance(error, BaseExceptionGroup) else ""
    text = "" if isinstance(error, OSError) else " " + _VARYING.sub("N", str(error))
    return f"{type(error).__name__}{number}{text}{inner}"


def error_name(error: OSError) -> str:
    return f"{type(error).__name__} {error.errno}"


class Scene:
    """One run of one program."""

    def __init__(
        self, aio: ModuleType, loop: asyncio.AbstractEventLoop, folder: Path, injection: Injection
    ) -> None:
        self.aio = aio
        self.loop = loop
        # What a program does for itself, under `with scene.undisturbed():`, meets no fault.
        self.undisturbed = injection.paused
        # A folder of its own, for files and Unix sockets.
        self.folder = folder
        # What was said of each of those who take part, in order.
        self.told: dict[str, list[str]] = {}
        self._peers: list[threading.Thread] = []
        self._closed_at_last = contextlib.ExitStack()
        loop.set_exception_handler(self._heard)

    def tell(self, who: str, what: str) -> None:
        said = self.told.setdefault(who, [])
        if said[-1:] != [what]:
            said.append(what)

    def _heard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message = re.sub(r"<.*>", "<...>", context["message"])
        self.tell("exception handler", f"{_VARYING.sub('N', message)}: {named(context.get('exception'))}")

    # Peers

    def listener(self, family: int = socket.AF_INET) -> socket.socket:
        """A listening socket. A peer that waits there for the loop's connection closes it."""
        with self.undisturbed():
            listener = socket.socket(family)
            listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(self.folder / "listener"))
            listener.listen()
        listener.settimeout(PATIENCE)
        return listener

    def datagram_socket(self) -> socket.socket:
        with self.undisturbed():
            sock = self.keep(socket.socket(type=socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
        return sock

    def keep(self, closable: Any) -> Any:
        """Something that is closed after the run."""
        return self._closed_at_last.enter_context(closable)

    def peer(self, function: Callable[..., Any], *args: Any) -> None:
        """Run `function(scene, ...)` in a thread."""

        def run() -> None:
            try:
                function(self, *args)
            except ConnectionError:
                # Whether an early end comes as a reset or as the end of the data is a matter of timing.
                self.tell("peer", f"received {verdict(b'')}")
            except TimeoutError:
                self.tell("peer", "HANGS")
            except OSError as error:
                self.tell("peer", named(error))

        # Daemons, so that one that hangs does not hold up the end of the process.
        self._peers.append(threading.Thread(target=run, daemon=True))
        with self.undisturbed():
            self._peers[-1].start()

    async def peers_are_done(self) -> None:
        """Wait for the peers without a thread of the loop's."""
        while any(thread.is_alive() for thread in self._peers):
            await self.aio.sleep(0.0005)

    def end(self) -> None:
        # First, so that a peer that waits for more sees that there is no more.
        self._closed_at_last.close()
        for thread in self._peers:
            thread.join(2 * PATIENCE)
            if thread.is_alive():
                self.tell("peer", "HANGS for ever")

    # Programs that never connect leave a peer that waits for them.

    def release(self, listener: socket.socket) -> None:
        """Let a peer go on that still waits for a connection."""
        with self.undisturbed(), contextlib.suppress(OSError):
            address = listener.getsockname()
            with socket.socket(listener.family) as knock:
                knock.connect(address)


class Told(asyncio.Protocol):
    """Tells the scene of its callbacks and collects what it receives."""

    def __init__(self, scene: Scene, name: str, *, echo: bool = False) -> None:
        self.scene, self.name, self.echo = scene, name, echo
        self.received = bytearray()
        self.transport: Any = None
        self.ended = False
        self.paused = False
        # Set again whenever something has changed.
        self._news = scene.aio.Event()

    def _tell(self, what: str) -> None:
        self.scene.tell(self.name, what)
        self._news.set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._tell("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._news.set()
        if self.echo:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self._tell("eof")
        if self.echo:
            self.transport.close()
        return False

    def pause_writing(self) -> None:
        if self.paused:
            self._tell("PAUSED TWICE")
        self.paused = True

    def resume_writing(self) -> None:
        if not self.paused:
            self._tell("RESUMED TWICE")
        self.paused = False
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.ended:
            self._tell("LOST TWICE")
        self.ended = True
        self._tell(f"lost: {named(exc)}")

    async def until(self, condition: Callable[[], bool]) -> None:
        while not (self.ended or condition()):
            self._news.clear()
            await self._news.wait()

    async def end(self) -> None:
        await self.until(lambda: False)


class ToldByBuffer(Told, asyncio.BufferedProtocol):
    """The same with a buffer of its own."""

    def __init__(self, scene: Scene, name: str, *, echo: bool = False) -> None:
        super().__init__(scene, name, echo=echo)
        self.buffer = bytearray(3000)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.buffer[:nbytes]))


# What peers do, in threads of their own.


def hurry(connection: socket.socket) -> None:
    """Have what is written go out at once, so that nobody waits for an acknowledgement."""
    connection.settimeout(PATIENCE)
    if connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def receive_all(connection: socket.socket, echo: bool = False) -> bytes:
    received = bytearray()
    while data := connection.recv(1 << 16):
        received += data
        if echo:
            connection.sendall(data)
    return bytes(received)


def echo_server(scene: Scene, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
    """Accept one connection and send back whatever comes."""
    with listener:
        connection, _ = listener.accept()
    with connection:
        hurry(connection)
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        with connection:
            scene.tell("peer", f"received {verdict(receive_all(connection, echo=True))}")


class EchoInPieces:
    """A peer over TLS that takes in the data, and sends it back in pieces, each while the loop stands still.

    So each recv() of the loop finds the same in every run. An echo as the bytes come shows a fast loop a part
    of what a slow one has received whole when, say, its third recv() fails.
    """

    def __init__(self, scene: Scene, listener: socket.socket, context: ssl.SSLContext) -> None:
        self._scene = scene
        self._connection: ssl.SSLSocket | None = None
        # Set when it has all the data, or will get no more.
        self._taken = threading.Event()
        # Set when nothing is sent back any more.
        self._sent = threading.Event()
        scene.peer(self._take, listener, context)

    def _take(self, scene: Scene, listener: socket.socket, context: ssl.SSLContext) -> None:
        try:
            with listener:
                plain, _ = listener.accept()
            hurry(plain)
            with context.wrap_socket(plain, server_side=True) as connection:
                received = bytearray()
                while len(received) < len(DATA) and (data := connection.recv(1 << 16)):
                    received += data
                self._connection = connection
                self._taken.set()
                if not self._sent.wait(PATIENCE):
                    raise TimeoutError
                self._connection = None
                scene.tell("peer", f"received {verdict(bytes(received + receive_all(connection)))}")
        finally:
            self._taken.set()

    async def taken(self) -> None:
        """Wait until it has the data, and the loop what the handshake left in the socket."""
        while not self._taken.is_set():
            await self._scene.aio.sleep(0.0005)
        for _ in range(5):
            await self._scene.aio.sleep(0)

    def send(self, piece: bytes) -> None:
        """Send this back before the loop goes on, unless the connection is broken."""
        if self._connection is not None:
            with self._scene.undisturbed(), contextlib.suppress(OSError):
                self._connection.sendall(piece)

    def end(self) -> None:
        """Let the peer go on to the end of the connection."""
        self._sent.set()


def receiver(scene: Scene, listener: socket.socket) -> None:
    """Accept one connection and read what comes."""
    with listener:
        connection, _ = listener.accept()
    with connection:
        hurry(connection)
        scene.tell("peer", f"received {verdict(receive_all(connection))}")


def echo_client(
    scene: Scene, address: Any, family: int = socket.AF_INET, context: ssl.SSLContext | None = None
) -> None:
    """Connect, send the data, and read what comes back."""
    with socket.socket(family) as plain:
        hurry(plain)
        plain.connect(address)
        with plain if context is None else context.wrap_socket(plain) as connection:
            received = bytearray()
            try:
                for piece in (DATA[:1], DATA[1:1000], DATA[1000:]):
                    connection.sendall(piece)
                    wanted = len(received) + len(piece)
                    while len(received) < wanted and (data := connection.recv(1 << 16)):
                        received += data
                if context is None:
                    connection.shutdown(socket.SHUT_WR)
                    received += connection.recv(1000)
            finally:
                scene.tell("peer", f"received {verdict(bytes(received))}")
