"""Programs that run under injected faults: sockets, files, datagrams, pipes, processes, the loop itself."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from support.fault_connections import connect
from support.fault_registry import program
from support.fault_scene import (
    DATA,
    Scene,
    Told,
    echo_client,
    echo_server,
    error_name,
    hurry,
    receiver,
    verdict,
)

# Sockets without transports


@program("sock_connect, sock_sendall, sock_recv")
@program("the same over unix", socket.AF_UNIX)
async def socket_client(scene: Scene, family: int = socket.AF_INET) -> None:
    loop, listener = scene.loop, scene.listener(family)
    scene.peer(echo_server, listener)
    received = bytearray()
    buffer = bytearray(2000)
    with scene.undisturbed():
        sock = scene.keep(socket.socket(family))
        hurry(sock)
    sock.setblocking(False)
    try:
        await loop.sock_connect(sock, listener.getsockname())
        await loop.sock_sendall(sock, DATA)
        with scene.undisturbed():
            sock.shutdown(socket.SHUT_WR)
        while data := await loop.sock_recv(sock, 2000):
            received += data
            count = await loop.sock_recv_into(sock, buffer)
            received += buffer[:count]
    finally:
        scene.tell("socket", f"received {verdict(bytes(received))}")
        scene.release(listener)


@program("sock_accept")
async def socket_server(scene: Scene) -> None:
    loop = scene.loop
    listener = scene.keep(scene.listener())
    listener.setblocking(False)
    scene.peer(echo_client, listener.getsockname())
    sock, _ = await loop.sock_accept(listener)
    with scene.undisturbed():
        hurry(scene.keep(sock))
    sock.setblocking(False)
    while data := await loop.sock_recv(sock, 10_000):
        await loop.sock_sendall(sock, data)
    with scene.undisturbed():
        sock.shutdown(socket.SHUT_WR)


@program("sock_sendto, sock_recvfrom")
async def socket_datagrams(scene: Scene) -> None:
    loop = scene.loop
    one, two = scene.datagram_socket(), scene.datagram_socket()
    addresses = one.getsockname(), two.getsockname()
    for sock in (one, two):
        sock.setblocking(False)
    buffer = bytearray(2000)
    for number in range(4):
        size = await loop.sock_sendto(one, DATA[: 100 * number], addresses[1])
        scene.tell("sent", str(size))
        if number % 2:
            data, address = await loop.sock_recvfrom(two, 2000)
        else:
            count, address = await loop.sock_recvfrom_into(two, buffer)
            data = bytes(buffer[:count])
        scene.tell("received", f"{verdict(data, DATA[: 100 * number])} {address == addresses[0]}")


# Files


@program("sendfile")
@program("sock_sendfile", True)
async def sendfile(scene: Scene, on_socket: bool = False) -> None:
    loop, listener = scene.loop, scene.listener()
    scene.peer(receiver, listener)
    protocol = Told(scene, "protocol")
    with scene.undisturbed():
        (scene.folder / "file").write_bytes(DATA)
        file = scene.keep((scene.folder / "file").open("rb"))
        sock = scene.keep(socket.socket())
        if on_socket:
            # So that it is filled more than once, and waited for.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.setblocking(False)
    try:
        if on_socket:
            await loop.sock_connect(sock, listener.getsockname())
            scene.tell("sent", str(await loop.sock_sendfile(sock, file)))
        else:
            transport = await connect(scene, socket.AF_INET, protocol, listener.getsockname())
            scene.tell("sent", str(await loop.sendfile(transport, file)))
            transport.close()
            await protocol.end()
    finally:
        scene.release(listener)


# Datagrams


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.received: list[bytes] = []
        self.news = scene.aio.Event()
        self.ended = False

    def connection_made(self, transport: Any) -> None:
        self.scene.tell("protocol", "made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.append(data)
        self.news.set()

    def error_received(self, exc: Exception) -> None:
        self.scene.tell("protocol", f"error {error_name(exc) if isinstance(exc, OSError) else exc!r}")
        self.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.scene.tell("protocol", f"lost: {exc and type(exc).__name__}")
        self.ended = True
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not (self.ended or condition()):
            self.news.clear()
            await self.news.wait()


@program("datagrams")
@program("datagrams of a connected socket", True)
async def datagrams(scene: Scene, connected: bool = False) -> None:
    peer = scene.datagram_socket()
    peer.settimeout(0.02)
    protocol = Datagrams(scene)
    remote = {"remote_addr": peer.getsockname()} if connected else {"local_addr": ("127.0.0.1", 0)}
    transport, _ = await scene.loop.create_datagram_endpoint(lambda: protocol, **remote)
    address = transport.get_extra_info("sockname")
    sent = [DATA[100 * number : 100 * number + 100] for number in range(4)]
    for piece in sent:
        if not protocol.ended:
            transport.sendto(piece, None if connected else peer.getsockname())
    # Turns enough for what did not go out at once.
    for _ in range(20):
        await scene.aio.sleep(0)
    arrived = []
    with scene.undisturbed(), contextlib.suppress(TimeoutError):
        while len(arrived) < len(sent):
            arrived.append(peer.recv(1000))
    with scene.undisturbed():
        for piece in sent:
            peer.sendto(piece, address)
    with contextlib.suppress(TimeoutError):
        async with scene.aio.timeout(0.05):
            await protocol.until(lambda: len(protocol.received) == len(sent))
    for who, those in (("peer", arrived), ("protocol", protocol.received)):
        right = set(those) <= set(sent) and len(set(those)) == len(those)
        lost = len(sent) - len(those)
        scene.tell(who, f"received {'datagrams' if right else 'SOMETHING ELSE'}, {lost} lost")
    transport.close()
    await protocol.until(lambda: False)


# Pipes and processes


@program("pipes")
async def pipes(scene: Scene) -> None:
    loop = scene.loop
    with scene.undisturbed():
        from_peer, peer_writes = os.pipe()
        peer_reads, to_peer = os.pipe()

    def peer(scene: Scene) -> None:
        received = bytearray()
        with open(peer_reads, "rb", buffering=0) as source, open(peer_writes, "wb", buffering=0) as target:
            try:
                while data := source.read(10_000):
                    received += data
                    while data:
                        data = data[target.write(data) :]
            finally:
                scene.tell("peer", f"received {verdict(bytes(received))}")

    scene.peer(peer)
    reader, writer = Told(scene, "reader"), Told(scene, "writer")
    with open(from_peer, "rb", buffering=0) as source, open(to_peer, "wb", buffering=0) as target:
        try:
            await loop.connect_read_pipe(lambda: reader, source)
            writing, _ = await loop.connect_write_pipe(lambda: writer, target)
            writing.write(DATA[:10])
            writing.write(DATA[10:])
            writing.write_eof()
            await writer.end()
            await reader.end()
        finally:
            scene.tell("reader", f"received {verdict(bytes(reader.received))}")


@program("pipe that nobody reads")
async def left_alone(scene: Scene) -> None:
    with scene.undisturbed():
        peer_reads, to_peer = os.pipe()
        scene.peer(lambda scene: os.close(peer_reads))
    writer = Told(scene, "writer")
    with open(to_peer, "wb", buffering=0) as target:
        await scene.loop.connect_write_pipe(lambda: writer, target)
        await writer.end()  # which nothing tells it but the loop


@program("process")
async def process(scene: Scene) -> None:
    process = await scene.aio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await process.communicate(DATA)
        scene.tell("process", f"gave {verdict(out)}")
    finally:
        # By itself or by this, which is a matter of timing after a fault.
        if process.returncode is None:
            process.kill()
        await process.wait()
        scene.tell("process", "ended")


# What belongs to the loop itself


@program("threads and signals")
async def threads_and_signals(scene: Scene) -> None:
    loop = scene.loop
    for number in range(3):
        called = scene.aio.Event()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(called.set,))
        thread.start()
        await called.wait()
        thread.join()
        scene.tell("thread", str(number))
    signalled = scene.aio.Event()
    loop.add_signal_handler(signal.SIGUSR1, signalled.set)
    try:
        for number in range(3):
            signalled.clear()
            os.kill(os.getpid(), signal.SIGUSR1)
            await signalled.wait()
            scene.tell("signal", str(number))
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


@program("sleep")
async def sleep(scene: Scene) -> None:
    for seconds in (0.0001, 0.0011):
        before = scene.loop.time()
        await scene.aio.sleep(seconds)
        scene.tell("sleeper", f"slept for {seconds}: {scene.loop.time() - before >= seconds}")


@program("readers and writers")
async def readers_and_writers(scene: Scene) -> None:
    loop = scene.loop
    with scene.undisturbed():
        one, two = map(scene.keep, socket.socketpair())
    ready = loop.create_future()
    loop.add_writer(one, ready.set_result, None)
    await ready
    loop.remove_writer(one)
    with scene.undisturbed():
        two.send(b"x")
    ready = loop.create_future()
    loop.add_reader(one, ready.set_result, None)
    loop.add_writer(one, lambda: loop.remove_writer(one))
    await ready
    loop.remove_reader(one)
    with scene.undisturbed():
        scene.tell("reader", repr(one.recv(10)))


@program("reader that was removed")
@program("reader that was removed from a writer", True)
async def removed(scene: Scene, writes: bool = False) -> None:
    loop = scene.loop
    with scene.undisturbed():
        one, two = map(scene.keep, socket.socketpair())
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                one.send(DATA)
    if writes:
        loop.add_writer(one, scene.tell, "writer", "CALLED THOUGH THERE IS NO ROOM, SOMETHING ELSE")
    loop.add_reader(one, scene.tell, "reader", "called")
    scene.tell("reader", f"removed: {loop.remove_reader(one)}")
    with scene.undisturbed():
        two.send(b"x")
    await scene.aio.sleep(0.02)
    loop.remove_writer(one)


@program("a loop begins and ends")
def a_loop(scene: Scene) -> None:
    try:
        loop = scene.aio.new_event_loop()
    except OSError as error:
        scene.tell("loop", error_name(error))
        return
    try:
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
