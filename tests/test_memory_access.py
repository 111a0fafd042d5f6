"""No native code reads or writes memory that is not its own, or decides by what was never written.

It is valgrind that watches.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from roundelay import _core

VALGRIND = shutil.which("valgrind")

pytestmark = [
    pytest.mark.skipif(VALGRIND is None, reason="valgrind is not installed"),
    # Under valgrind everything takes thirty times as long.
    pytest.mark.timeout(240),
]

# What a thread has of the interpreter is less than what the main thread has.
IMPORTED_IN_A_THREAD = """
import threading

def work():
    import asyncio
    import roundelay

    async def main():
        return await asyncio.gather(*(asyncio.sleep(0, number) for number in range(3)))

    print(roundelay.run(main()))

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""

TASKS = """
import asyncio, contextvars, gc, roundelay

variable = contextvars.ContextVar("variable", default=0)

async def leaf(number):
    variable.set(number)
    await asyncio.sleep(0)
    if number == 3:
        raise ValueError(number)
    return variable.get()

async def cancelled():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)

async def main():
    loop = asyncio.get_running_loop()
    print(await asyncio.gather(*map(leaf, range(5)), return_exceptions=True))
    task = asyncio.create_task(cancelled())
    await asyncio.sleep(0)
    task.cancel()
    print(await asyncio.wait([task, asyncio.ensure_future(leaf(1))]) and task)
    try:
        async with asyncio.timeout(0.01):
            await loop.create_future()
    except TimeoutError as error:
        print(error)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(leaf(3))
            group.create_task(cancelled())
    except* ValueError as errors:
        print(errors.exceptions)
    queue, lock = asyncio.Queue(1), asyncio.Lock()
    async def put():
        for number in range(5):
            async with lock:
                await queue.put(number)
    putting = asyncio.create_task(put())
    print([await queue.get() for _ in range(5)], await putting)
    handle = loop.call_later(60, print)
    handle.cancel()
    print(await loop.run_in_executor(None, int, "7"))
    loop.call_soon(1 .__truediv__, 0)
    gc.collect()

roundelay.run(main())
"""

CONNECTIONS = """
import asyncio, os, socket, sys, roundelay
from support.tls import client_context, server_context

DATA = bytes(range(256)) * 400

async def echo(reader, writer):
    while data := await reader.read(10_000):
        writer.write(data)
        await writer.drain()
    writer.close()

async def client(**options):
    reader, writer = await asyncio.open_connection(**options)
    writer.writelines([b"a line\\n", DATA[:5000], DATA[5000:]])
    line = await reader.readline()
    data = await reader.readexactly(len(DATA))
    writer.close()
    print(line, data == DATA)

class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, address):
        if data == b"ping":
            self.transport.sendto(b"pong", address)
        else:
            heard.set_result(data)

async def main():
    global heard
    loop = asyncio.get_running_loop()
    for context in (None, server_context()):
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        if context is None:
            await client(host="127.0.0.1", port=port)
        else:
            await client(host="127.0.0.1", port=port, ssl=client_context(), server_hostname="localhost")
        server.close()
    heard = loop.create_future()
    one, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
    two, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
    one.sendto(b"ping", two.get_extra_info("sockname"))
    print(await heard)
    one.close()
    two.close()
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    await loop.sock_sendall(left, b"hello")
    print(await loop.sock_recv(right, 100))
    left.close()
    right.close()
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading))
    os.write(writing, b"through a pipe")
    os.close(writing)
    print(await reader.read())
    pipe.close()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(input()[::-1])", stdin=-1, stdout=-1
    )
    print(await child.communicate(b"a child"), child.returncode)

roundelay.run(main())
"""


def errors_in(program: str, tmp_path: Path) -> list[str]:
    """What valgrind says of our code in the program; what the interpreter does is its own business."""
    assert VALGRIND is not None
    report = tmp_path / "report.xml"
    # Every object has a block of its own, so that what lies behind it is somebody else's.
    environment = os.environ | {"PYTHONMALLOC": "malloc", "PYTHONPATH": str(Path(__file__).parent)}
    command = [VALGRIND, "--quiet", "--xml=yes", f"--xml-file={report}", "--error-limit=no"]
    command += ["--leak-check=no", "--num-callers=40", "--child-silent-after-fork=yes"]
    done = subprocess.run(
        [*command, sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    ours = []
    for error in ElementTree.parse(report).getroot().iter("error"):
        if str(error.findtext("kind")).startswith("Leak_"):
            continue  # what modules hold for good
        frames = [(frame.findtext("obj"), frame.findtext("fn")) for frame in error.iter("frame")]
        # What is called from the interpreter's main loop only has our code among its callers.
        if any(place == str(Path(_core.__file__)) for place, _ in frames[:10]):
            what = error.findtext("what") or error.findtext("xwhat/text")
            ours.append(f"{what}: {' < '.join(str(name) for _, name in frames[:12])}")
    return ours


@pytest.mark.parametrize(
    "program",
    [IMPORTED_IN_A_THREAD, TASKS, CONNECTIONS],
    ids=["imported in a thread", "tasks", "connections"],
)
def test_native_code_touches_only_what_is_its_own(program: str, tmp_path: Path) -> None:
    assert errors_in(program, tmp_path) == []
