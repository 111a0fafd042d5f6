"""Programs under `roundelay run` that are signalled, that start processes, or that lose their reader."""

import signal
import time
from pathlib import Path

import pytest
from side_by_side import ROUNDELAY, finish, side_by_side, start, without_library_frames

# Each prints "ready" when the signal may come. The marker file is how the test knows.
WAITING: dict[str, str] = {
    "plain_wait": """
ready()
while True: time.sleep(60)
""",
    "plain_wait_handled": """
ready()
try:
    time.sleep(60)
except KeyboardInterrupt:
    print('handled')
""",
    "plain_wait_in_a_thread": """
import threading
t = threading.Thread(target=time.sleep, args=(60,), daemon=True)
t.start()
ready()
t.join()
""",
    "thread_at_the_end": """
import threading
threading.Thread(target=lambda: (ready(), time.sleep(30))).start()
""",
    "handler_of_its_own": """
def handler(number, frame):
    print('handler', number)
    sys.exit(9)
signal.signal(signal.SIGINT, handler)
signal.signal(signal.SIGTERM, handler)
ready()
time.sleep(60)
""",
    "default_action": """
signal.signal(signal.SIGINT, signal.SIG_DFL)
ready()
time.sleep(60)
""",
    "at_exit": """
import atexit
atexit.register(print, 'at exit')
ready()
time.sleep(60)
""",
    "asyncio_wait": """
async def main():
    ready()
    await asyncio.sleep(60)
import asyncio
asyncio.run(main())
""",
    "asyncio_wait_cleaned_up": """
import asyncio
async def main():
    try:
        ready()
        await asyncio.sleep(60)
    finally:
        print('cleaned up')
asyncio.run(main())
""",
    "asyncio_wait_handled": """
import asyncio
async def main():
    ready()
    await asyncio.sleep(60)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print('handled')
""",
    "asyncio_handler": """
import asyncio
async def main():
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    ready()
    await stop.wait()
    print('stopped')
asyncio.run(main())
""",
}

HEADER = "import os, signal, sys, time\ndef ready(): open(sys.argv[1], 'w').close()\n"


def wait_until_asleep(pid: int) -> None:
    """From its "ready" into its wait: asleep, and without use of the processor, for a tenth of a second."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():  # not Linux
        time.sleep(0.5)
        return
    deadline = time.monotonic() + 60
    seen: list[object] = []
    while len(seen) < 10 or len(set(seen[-10:])) > 1 or "S" not in str(seen[-1]):
        assert time.monotonic() < deadline, "the program never came to rest"
        fields = stat.read_text().rpartition(")")[2].split()
        seen.append((fields[0], fields[11], fields[12]))  # state, user time, system time
        time.sleep(0.01)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: signal.Signals(number).name
)
@pytest.mark.parametrize("name", WAITING)
def test_same_end_by_a_signal(name: str, number: int, tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(HEADER + WAITING[name])
    outcomes = []
    processes = [
        start([*command, "prog.py", f"ready-{index}"], folder=tmp_path)
        for index, command in enumerate(((), ROUNDELAY))
    ]
    try:
        for index, process in enumerate(processes):
            deadline = time.monotonic() + 60
            while not (tmp_path / f"ready-{index}").exists():
                assert process.poll() is None, finish(process)
                assert time.monotonic() < deadline, "the program never became ready"
                time.sleep(0.01)
            wait_until_asleep(process.pid)
            process.send_signal(number)
        outcomes = [finish(process) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    # The frames inside the event loop are the one thing that may differ in the traceback of an interrupt.
    plain, ours = (
        (outcome.status, outcome.stdout, without_library_frames(outcome.stderr.decode()))
        for outcome in outcomes
    )
    assert ours == plain


PARALLEL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor

def say(*words):  # one write a line, for lines of several processes
    sys.stdout.write(' '.join(map(str, words)) + '\\n')

class Work:
    def __init__(self, x): self.x = x

def double(work):
    return Work(work.x * 2)

def show(queue):
    main = sys.modules['__main__']
    queue.put((__name__, main.__spec__ and main.__spec__.name, getattr(main, '__file__', None), sys.argv))

say('top', __name__)
if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=show, args=(queue,))
    process.start()
    say(queue.get(timeout=30))
    process.join()
    # Of one process: whether a second one is needed would depend on how soon the first is done.
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        say([work.x for work in pool.map(double, [Work(1), Work(2)])])
    process = context.Process(target=sys.exit, args=(5,))
    process.start()
    process.join()
    say(process.exitcode)
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("words", [["prog.py"], ["-m", "prog"], ["-m", "package.prog"]], ids=str)
def test_processes_find_the_main_module(words: list[str], method: str, tmp_path: Path) -> None:
    for path in ("prog.py", "package/prog.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(PARALLEL)

    plain, ours = side_by_side([*words, method], folder=tmp_path, env={"PYTHONWARNINGS": "ignore"})

    # The lines of different processes may come in any order.
    assert sorted(ours.stdout.splitlines()) == sorted(plain.stdout.splitlines())
    assert (ours.status, ours.stderr) == (plain.status, plain.stderr)
    assert (plain.status, plain.stderr) == (0, b"")
    assert b"[2, 4]" in plain.stdout


@pytest.mark.timeout(120)
def test_shell_loop_stops_when_the_program_is_interrupted(tmp_path: Path) -> None:
    """A shell goes on after exit status 130, and stops only if its program really died of SIGINT."""
    (tmp_path / "prog.py").write_text("raise KeyboardInterrupt\n")

    for command in ((), ROUNDELAY):
        outcome = finish(start([*command, "prog.py"], folder=tmp_path))
        assert outcome.status == -signal.SIGINT


@pytest.mark.timeout(120)
def test_reader_that_went_away(tmp_path: Path) -> None:
    """`roundelay run app.py | head -1`: a BrokenPipeError, as it is under `python`."""
    (tmp_path / "prog.py").write_text("import sys, time\nfor i in range(100000): print(i)\n")
    outcomes = []
    for command in ((), ROUNDELAY):
        process = start([*command, "prog.py"], folder=tmp_path)
        assert process.stdout is not None
        assert process.stdout.read(1) == b"0"
        process.stdout.close()
        assert process.stderr is not None
        error = process.stderr.read()
        process.stderr.close()
        outcomes.append((process.wait(60), error))

    assert b"BrokenPipeError" in outcomes[0][1]
    assert outcomes[1] == outcomes[0]
