"""Many connections that do nothing: a server in this process, its clients in another.

    python -m support.idle_connections COUNT

prints how many bytes of memory a connection takes, once everything was as it should be. It is a process of
its own, whose memory is nobody else's.
"""

import asyncio
import gc
import resource
import subprocess
import sys
from typing import Any

import roundelay

CLIENTS = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
address, count = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2])
clients = [socket.create_connection(address, timeout=50) for _ in range(count)]
print("connected", flush=True)
for line in sys.stdin:
    some = clients[:: int(line)]
    for client in some:
        client.sendall(b"?")
    for client in some:
        assert client.recv(1) == b"!"
    print("answered", flush=True)
for client in clients:
    client.close()
"""


class Answers(asyncio.Protocol):
    made = lost = 0

    def connection_made(self, transport: Any) -> None:
        Answers.made += 1
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"!")

    def connection_lost(self, exc: Exception | None) -> None:
        assert exc is None
        Answers.lost += 1


def memory() -> int:
    """How many bytes of memory the system holds for this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


async def main(count: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=1000)
    port = server.sockets[0].getsockname()[1]
    clients = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENTS, str(port), str(count), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert clients.stdin is not None
    assert clients.stdout is not None
    gc.collect()
    before = memory()
    assert await clients.stdout.readline() == b"connected\n"
    while Answers.made < count:
        await asyncio.sleep(0.001)
    gc.collect()
    print((memory() - before) // count)

    # They take no time: a turn looks at those that are ready, and not at all.
    steps = 0

    async def spin() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    spinning = asyncio.create_task(spin())
    clients.stdin.write(b"7\n")
    assert await clients.stdout.readline() == b"answered\n"
    spinning.cancel()
    assert steps > 0

    assert Answers.lost == 0
    clients.stdin.close()
    assert await clients.wait() == 0
    while Answers.lost < count:
        await asyncio.sleep(0.001)
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
    roundelay.run(main(int(sys.argv[1])))
