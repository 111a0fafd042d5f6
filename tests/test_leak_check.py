"""The leak check of conftest.py finds what it is there to find."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

# A test file of its own, run in a process of its own.
CASES = """
import asyncio, os
import pytest

kept = []
spare = os.open("/dev/null", os.O_RDONLY)


def test_leaves_a_descriptor_open():
    kept.append(os.open("/dev/zero", os.O_RDONLY))


def test_closes_a_descriptor_of_others():
    os.close(spare)


def test_keeps_a_closed_event_loop():
    kept.append(asyncio.new_event_loop())
    kept[-1].close()


def test_leaves_a_loop_in_a_reference_cycle():
    loop = asyncio.new_event_loop()
    loop.itself = loop
    loop.close()


def test_fails_and_so_keeps_what_its_traceback_holds():
    kept.append(os.open("/dev/null", os.O_RDONLY))
    assert not kept


@pytest.mark.leaks(reason="on purpose")
def test_leaks_by_permission():
    kept.append(os.open("/dev/null", os.O_RDONLY))


def test_leaks_nothing_itself():
    pass
"""


def test_leaks_are_found_and_nothing_else_is(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(CASES)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=6, failed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_leaves_a_descriptor_open*",
            "*descriptors: left open*-> /dev/zero*, closed [[]]",
            "*ERROR at teardown of test_closes_a_descriptor_of_others*",
            "*descriptors: left open [[]], closed*-> /dev/null*",
            "*ERROR at teardown of test_keeps_a_closed_event_loop*",
            "*event loops still alive:*closed=True*",
            "FAILED *::test_fails_and_so_keeps_what_its_traceback_holds*",
        ]
    )


@pytest.mark.parametrize("marker", ["leaks", "leaks(reason='')", "leaks('why', reason='why')"])
def test_a_waiver_without_a_reason_is_refused(pytester: pytest.Pytester, marker: str) -> None:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.{marker}\ndef test_it():\n    pass\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*write @pytest.mark.leaks(reason='why it must')*"])
