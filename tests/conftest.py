"""What holds for every test: it leaves no descriptor open and no event loop behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

# The folder in which the operating system lists this process's descriptors.
DESCRIPTORS = next((folder for folder in (Path("/proc/self/fd"), Path("/dev/fd")) if folder.is_dir()), None)

# How long a thread may take to let go of what it has done, on a busy machine.
THREADS_END_S = 5.0

CALL_REPORT = pytest.StashKey[pytest.TestReport]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts something in the background has it ignore Ctrl-C, and with it every program that the
    # tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers",
        "leaks(reason): do not check that the test gives back its descriptors and event loops; say why not",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("leaks"):
            reason = marker.kwargs.get("reason")
            if marker.args or set(marker.kwargs) != {"reason"} or not isinstance(reason, str) or not reason:
                raise pytest.UsageError(f"{item.nodeid}: write @pytest.mark.leaks(reason='why it must')")


@pytest.fixture(scope="module", autouse=True)
def what_exists_is_frozen() -> None:
    # What exists when a file begins stays for good: modules, tests, reports of earlier ones. Frozen, it is
    # neither walked by the collections that the leak check and the tests themselves make nor listed among the
    # live objects, which keeps the check at a millisecond a test.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[CALL_REPORT] = report
    return report


def open_descriptors() -> Counter[str]:
    """What each open descriptor refers to, counted by name."""
    if DESCRIPTORS is None:
        return Counter()
    names: Counter[str] = Counter()
    for name in os.listdir(DESCRIPTORS):
        try:
            names[f"{name} -> {os.readlink(DESCRIPTORS / name)}"] += 1
        except FileNotFoundError:
            # The listing's own descriptor, closed by now.
            pass
        except OSError:
            names[name] += 1
    return names


def live_loops() -> dict[int, asyncio.AbstractEventLoop]:
    """Every event loop that the garbage collector knows of, by identity."""
    # By type and not by isinstance(), which runs foreign code for objects with a __class__ of their own.
    return {id(item): item for item in gc.get_objects() if issubclass(type(item), asyncio.AbstractEventLoop)}


@pytest.fixture(params=["openssl", "ssl"])
def each_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which native TLS makes and reads ciphertext."""
    from support import tls

    monkeypatch.setattr(tls, "watched", request.param == "ssl")


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("leaks") is not None:
        yield
        return
    gc.collect()
    # Names are compared only for the message: a descriptor that is closed and opened anew (a log file, a
    # database) is no leak, so the count decides.
    descriptors_before = open_descriptors()
    loops_before = set(live_loops())

    yield

    report = request.node.stash.get(CALL_REPORT, None)
    if report is None or not report.passed:
        # The traceback of a failure keeps alive whatever its frames hold.
        return
    deadline = time.monotonic() + THREADS_END_S
    while True:
        # A thread of an executor lets go of its last piece of work after it has told of the result. Asked
        # before the look, so that after the end of the last thread there is one more.
        threads = threading.active_count() > 1
        complaints = left_behind(descriptors_before, loops_before)
        if not complaints or not threads or time.monotonic() > deadline:
            break
        time.sleep(0.001)
    if complaints:
        pytest.fail("the test leaks " + "; ".join(complaints), pytrace=False)


def left_behind(descriptors_before: Counter[str], loops_before: set[int]) -> list[str]:
    """What is there that was not there before, in words."""
    gc.collect()
    complaints = []
    descriptors = open_descriptors()
    if descriptors.total() != descriptors_before.total():
        opened = sorted(descriptors - descriptors_before)
        closed = sorted(descriptors_before - descriptors)
        complaints.append(f"descriptors: left open {opened}, closed {closed}")
    loops = [repr(loop) for identity, loop in live_loops().items() if identity not in loops_before]
    if loops:
        complaints.append(f"event loops still alive: {loops}")
    return complaints
