"""The lesson programs of examples/lessons do on roundelay what they do on asyncio, and what the lessons say.

The programs sleep for seconds, and are left to: that gather() takes 3 seconds and not 6 is what the lessons
teach, and on a scaled clock a loop would pass that never waits by itself. To keep the test short, both sides
of several programs run at once; they mostly sleep. To keep it steady on a busy machine:

* The order of lines does not depend on how late a timer is: each program's deadlines stand in one order.
* A line's time is the event loop's own, stamped as it is printed. Lines keep their distances to LATE_S, and
  none is early by more than EARLY_S. How long the interpreter takes to start is left out.
* A program whose times are off, and only its times, gets two more tries, alone: a machine that stood still
  for a moment does not do so three times, and a loop that is slow does.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from lessons import expectation
from lessons.expectation import EXPECTED, PROGRAMS
from lessons.runs import Run, printed_seconds, run_both, without_library_frames, without_seconds

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.leaks(reason="the programs of the other tests run meanwhile, each with two pipes"),
]

# Clocks tick in small steps, and a sum of sleeps may round down.
EARLY_S = 0.02
LATE_S = 0.5
# From the start of the process to the first line, on a machine that starts ten others meanwhile.
START_S = 5.0
TRIES = 3
# Pairs of processes. They sleep most of the time, so that more of them than processors do no harm.
AT_ONCE = 6

# The longest ones start first.
SLOW_FIRST = ["async_basics", "fourth_task", "mistake_time_sleep", "fetch_while_counting", "async_generator"]

# As the lesson page has it, to the letter.
BASICS_EXPECTED_OUTPUT = """\
--- Sequential execution ---
  Task A starting...
  Task A done after 2 seconds
  Task B starting...
  Task B done after 1 second
  Task C starting...
  Task C done after 3 seconds
Sequential total: ~6 seconds

--- Concurrent execution ---
  Task A starting...
  Task B starting...
  Task C starting...
  Task B done after 1 second
  Task A done after 2 seconds
  Task C done after 3 seconds
Concurrent total: ~3 seconds
"""

Runs = dict[str, "Future[tuple[Run, Run]]"]


@pytest.fixture(scope="module")
def first_runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """The runs of all programs that were asked for, on their way when the first test begins."""
    chosen = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and item.path == request.path
        if "name" in item.callspec.params
    }
    order = sorted(chosen, key=lambda name: (name not in SLOW_FIRST, name))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(run_both, name) for name in order}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", expectation.names())
def test_lesson_program(name: str, first_runs: Runs) -> None:
    expected = expectation.read(name)
    runs = first_runs[name].result()
    for attempt in range(1, TRIES + 1):
        for run in runs:
            check_text(run, expected)
        check_parity(*runs)
        complaints = [
            f"{side}: {complaint}"
            for side, run in zip(("asyncio", "roundelay"), runs, strict=True)
            for complaint in wrong_times(run, expected)
        ]
        if not complaints:
            return
        print(f"try {attempt} of {TRIES}:", *complaints, sep="\n")
        if attempt < TRIES:
            runs = run_both(name)
    pytest.fail("times are wrong in every try:\n" + "\n".join(complaints))


def check_text(run: Run, expected: expectation.Expectation) -> None:
    """What the program shows is what the lesson says, times apart."""
    assert without_seconds(run.stdout) == without_seconds(expected.stdout)
    assert run.outcome.status == expected.status
    rest = run.stderr
    if not expected.errors:
        assert rest == ""
    for error in expected.errors:
        assert error in rest
        rest = rest.split(error, 1)[1]
    # The stamps are those of this output, line by line.
    assert run.lines == run.stdout.splitlines()


def check_parity(asyncio_run: Run, roundelay_run: Run) -> None:
    """Nothing differs between the two but the frames inside the libraries, and times."""
    assert without_seconds(roundelay_run.stdout) == without_seconds(asyncio_run.stdout)
    assert without_library_frames(roundelay_run.stderr) == without_library_frames(asyncio_run.stderr)
    assert roundelay_run.outcome.status == asyncio_run.outcome.status


def wrong_times(run: Run, expected: expectation.Expectation) -> list[str]:
    complaints = []
    delays: dict[str, float] = {}
    for number, (line, seconds, due) in enumerate(
        zip(run.lines, run.seconds, expected.seconds, strict=True), 1
    ):
        where = f"line {number}, {line!r}: printed at {seconds}, expected at {due}"
        if (seconds is None) != (due == "-"):
            complaints.append(where)
        elif seconds is not None and isinstance(due, float):
            delays[where] = seconds - due
    start = min(delays.values(), default=0.0)
    if not -EARLY_S <= start <= START_S:
        complaints.append(f"the program's first line is late by {start:.3f} s")
    complaints += [
        f"{where}, after a start of {start:.3f} s"
        for where, delay in delays.items()
        if delay > start + LATE_S
    ]
    for printed, should in zip(printed_seconds(run.stdout), printed_seconds(expected.stdout), strict=True):
        if abs(printed - should) > LATE_S:
            complaints.append(f"the program says {printed} seconds, expected {should}")
    return complaints


def test_basics_print_the_lesson_s_expected_output_to_the_letter(first_runs: Runs) -> None:
    runs = first_runs["async_basics"].result() if "async_basics" in first_runs else run_both("async_basics")
    for attempt in range(1, TRIES + 1):
        if all(BASICS_EXPECTED_OUTPUT in run.stdout for run in runs) or attempt == TRIES:
            break
        # A machine that stood still for half a second makes it "~7 seconds". All else is no matter of time.
        for run in runs:
            assert without_seconds(BASICS_EXPECTED_OUTPUT) in without_seconds(run.stdout)
        runs = run_both("async_basics")
    for run in runs:
        assert run.stdout.startswith(BASICS_EXPECTED_OUTPUT)


def test_every_program_has_its_expected_output() -> None:
    assert expectation.names() == sorted(path.stem for path in EXPECTED.glob("*.txt"))


@pytest.mark.parametrize("path", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_program_is_plain_asyncio_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text()

    assert re.search(r"^import asyncio$", text, re.MULTILINE)
    assert "roundelay" not in text
    assert text.startswith('"""')
