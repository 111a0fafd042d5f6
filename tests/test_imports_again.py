"""roundelay is imported once more: afresh by the same program, by another interpreter, by the next one."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support import preloaded


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


EMBEDDED = """
#include <Python.h>

int main(int count, char **words) {
    for (int round = 0; round < 2; round++) {
        PyConfig config;
        PyConfig_InitPythonConfig(&config);
        PyConfig_SetBytesString(&config, &config.executable, words[1]);
        PyStatus status = Py_InitializeFromConfig(&config);
        PyConfig_Clear(&config);
        if (PyStatus_Exception(status) || PyRun_SimpleString(words[2]) != 0 || Py_FinalizeEx() != 0)
            return 1;
    }
    return 0;
}
"""

IN_THE_EMBEDDED = f"""
import sys
sys.path[:0] = {sys.path[1:]}
try:
    import roundelay
except ImportError as error:
    print(error, flush=True)
else:
    print(roundelay.run(roundelay.sleep(0, "it works")), flush=True)
"""


def test_it_is_refused_when_python_has_begun_again(tmp_path: Path) -> None:
    paths = sysconfig.get_config_vars("INCLUDEPY", "LIBDIR", "LDVERSION", "Py_ENABLE_SHARED")
    headers, libraries, version, is_shared = paths
    if not is_shared or not Path(headers, "Python.h").exists():
        pytest.skip("takes Python's headers and its library")
    (tmp_path / "embedded.c").write_text(EMBEDDED)
    command = [
        preloaded.compiler(),
        tmp_path / "embedded.c",
        "-o",
        tmp_path / "embedded",
        f"-I{headers}",
        f"-L{libraries}",
    ]
    linked = subprocess.run([*command, f"-Wl,-rpath,{libraries}", f"-lpython{version}"], capture_output=True)
    if linked.returncode != 0:
        pytest.skip("this Python's library cannot be linked to")

    def embedded(program: str) -> subprocess.CompletedProcess[str]:
        command = [tmp_path / "embedded", sys.executable, program]
        return subprocess.run(command, capture_output=True, text=True, timeout=50)

    if embedded("import asyncio; asyncio.run(asyncio.sleep(0))").returncode != 0:
        pytest.skip("this Python cannot begin again")
    done = embedded(IN_THE_EMBEDDED)
    assert done.stdout.splitlines() == [
        "it works",
        "roundelay was imported before Python ended and began again in this process, and works only once; "
        "keep Python running, or begin a new process",
    ], done.stderr
    assert (done.returncode, done.stderr) == (0, "")
