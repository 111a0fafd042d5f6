"""roundelay is imported once more: by a program that forgot its modules, and by another interpreter."""

from __future__ import annotations

import subprocess
import sys


def said_by(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


FORGOTTEN = """
import asyncio, sys
import roundelay as first

def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] == "roundelay"]:
        del sys.modules[name]

async def main(module):
    task = asyncio.current_task()
    assert type(task) is first.Task
    async with module.timeout(60), module.TaskGroup() as group:
        tasks = [group.create_task(module.sleep(0, number)) for number in range(3)]
    lock, queue = module.Lock(), module.Queue()
    async with lock:
        await queue.put(await module.gather(*tasks))
    reader, writer = await module.open_connection(*address)
    writer.write(b"hello")
    writer.write_eof()
    data = await reader.read()
    writer.close()
    return await queue.get(), data

async def serve():
    global address
    async def echo(reader, writer):
        writer.write(await reader.read())
        writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    return await first.gather(main(first), main(second))

for _ in range(2):
    old_loop = first.new_event_loop()
    future = old_loop.create_future()
    forget()
    import roundelay as second
    assert second is not first
    assert second.Task is first.Task and second.Future is first.Future
    print(second.run(serve()))
    print(old_loop.run_until_complete(serve()))
    old_loop.call_soon(future.set_result, "the old loop goes on")
    print(old_loop.run_until_complete(future))
    old_loop.close()
second.install()
first.uninstall()
print(asyncio.run(serve()))
"""


def test_a_program_that_forgot_its_modules_gets_the_same_types_again() -> None:
    served = str([([0, 1, 2], b"hello")] * 2)
    assert said_by(FORGOTTEN) == [served, served, "the old loop goes on"] * 2 + [served]


OTHER = """
try:
    import _interpreters
    create = lambda: _interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as _interpreters
    create = lambda: _interpreters.create(isolated=False)
import os, sys

def other():
    number = create()
    failed = _interpreters.run_string(number, '''
try:
    import roundelay
except ImportError as error:
    print(error, flush=True)
else:
    print(roundelay.run(roundelay.sleep(0, "it works")), flush=True)
''')
    assert failed is None
    _interpreters.destroy(number)
"""

REFUSED = (
    "roundelay works in one interpreter of a process, and another one has imported it already; "
    "use it in that one alone, or in a process of its own"
)


def test_an_interpreter_that_comes_second_is_refused() -> None:
    program = "import roundelay\nother()\nprint(roundelay.run(roundelay.sleep(0, 'goes on')))"
    assert said_by(OTHER + program) == [REFUSED, "goes on"]


def test_an_interpreter_that_comes_first_has_it() -> None:
    assert said_by(OTHER + "other()\nother()") == ["it works", REFUSED]
