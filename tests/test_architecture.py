"""The invariants of ARCHITECTURE.md that a search can check.

Most of them say what is *not* somewhere. Each search must find what it looks for where it belongs, so that a
pattern that no longer matches anything is noticed.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "crates/roundelay/src"
EXTENSION = ROOT / "crates/roundelay-python/src"

COMMENT = re.compile(r"//.*")


def code_of(file: Path) -> str:
    """A Rust source without its comments. (No string in these sources has two slashes in it.)"""
    return COMMENT.sub("", file.read_text(encoding="utf-8"))


def files_with(pattern: str, folder: Path) -> set[str]:
    found = {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*.rs")
        if re.search(pattern, code_of(file), re.MULTILINE)
    }
    return found - {"sys/tests.rs"}


def check_only_in(pattern: str, folder: Path, *allowed: str) -> None:
    """Fails unless the pattern is found in these files and folders, and in no other."""
    found = files_with(pattern, folder)
    strangers = {name for name in found if not name.startswith(allowed)}
    assert not strangers, f"{pattern!r} does not belong into {sorted(strangers)}"
    for place in allowed:
        assert any(name.startswith(place) for name in found), f"{pattern!r} is not in {place} any more"


def check_nowhere(pattern: str, folder: Path, example: str) -> None:
    """Fails if the pattern is found. `example` is what it would find."""
    assert re.search(pattern, example, re.MULTILINE), "a pattern that does not match its own example"
    assert not files_with(pattern, folder)


def manifest(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "Cargo.toml").read_text(encoding="utf-8"))


def dependencies(table: dict[str, Any]) -> Iterator[str]:
    """Every crate that a manifest names, for whatever target and purpose."""
    for key, value in table.items():
        if key.endswith("dependencies"):
            yield from value
        elif isinstance(value, dict):
            yield from dependencies(value)


def architecture() -> str:
    return (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


# The engine


def test_the_engine_does_not_know_python() -> None:
    check_nowhere(r"pyo3|\bffi::|PyObject", ENGINE, "use pyo3::prelude::*;")
    assert not {name for name in dependencies(manifest("crates/roundelay")) if "py" in name}


def test_the_clock_is_read_in_one_file() -> None:
    pattern = r"clock_gettime|Instant::now|SystemTime|\.elapsed\("
    check_only_in(pattern, ENGINE, "clock.rs")
    check_nowhere(pattern, EXTENSION, "let now = Instant::now();")


def test_the_engine_has_no_source_of_randomness() -> None:
    check_nowhere(r"\brand::|getrandom|RandomState|fastrand", ENGINE, "rand::random()")


def test_the_engine_is_unsafe_at_the_system_call_only() -> None:
    check_only_in(r"\bunsafe (impl|fn|extern|\{)|\bunsafe \{", ENGINE, "sys/")
    forbidding = files_with(r"^#!\[forbid\(unsafe_code\)\]$", ENGINE)
    everything = {file.relative_to(ENGINE).as_posix() for file in ENGINE.rglob("*.rs")}
    assert {name for name in everything - forbidding if not name.startswith("sys/")} == {"lib.rs"}


def test_the_engine_keeps_one_piece_of_global_state() -> None:
    check_only_in(r"^\s*(pub(\(\w+\))? )?static \w+:|thread_local!", ENGINE, "current.rs")


# The extension module


def test_the_extension_makes_system_calls_in_one_folder() -> None:
    assert set(dependencies(manifest("crates/roundelay-python"))) == {
        "memchr",
        "pyo3",
        "pyo3-build-config",
        "roundelay",
        "rustix",
    }
    check_only_in(r"\brustix::", EXTENSION, "system/")
    check_nowhere(r"std::(fs|net|process|thread)\b|\blibc::", EXTENSION, "std::fs::read(path)")


def test_no_system_call_of_the_extension_blocks() -> None:
    # Each of these would wait for a descriptor that is in blocking mode, and is told not to.
    told = {"recv", "recvfrom", "send", "sendmsg", "sendto", "preadv2", "pwritev2"}
    # These would, too, and cannot be told: their callers have asked the socket for its timeout.
    asked = {"acceptfrom_with", "connect"}
    # These do not wait whatever the descriptor is.
    quick = {"fstat", "getpeername", "getsockname", "ioctl_fionbio", "pidfd_open"}
    sources = "".join(code_of(file) for file in sorted((EXTENSION / "system").glob("*.rs")))
    calls = re.findall(
        r"\b(?:net|io|fs|process|pipe|event|thread)::(\w+)\(((?:[^()]|\([^()]*\))*)\)", sources
    )
    assert {name for name, _ in calls} == told | asked | quick
    ways = ("DONTWAIT", "send_flags()", "NOWAIT")
    assert not [name for name, given in calls if name in told and not any(way in given for way in ways)]
    assert "SendFlags::DONTWAIT" in sources
    check_only_in(r"connection::(accept|connect)\(", EXTENSION, "sockets/accept.rs", "sockets/connect.rs")
    for caller in ("accept", "connect"):
        assert "is_non_blocking(" in code_of(EXTENSION / f"sockets/{caller}.rs")


def test_the_thread_lets_go_of_the_interpreter_in_one_file() -> None:
    check_only_in(r"PyEval_SaveThread|PyThreadState_Swap|\.detach\(", EXTENSION, "eventloop/poll.rs")


def test_pyo3_makes_the_module_and_no_more() -> None:
    check_only_in(r"#\[pymodule|pyo3::prelude", EXTENSION, "module.rs")
    check_nowhere(r"#\[py(class|methods|function)", EXTENSION, "#[pyclass]")


def test_private_functions_of_cpython_are_declared_in_few_places() -> None:
    check_only_in(r'unsafe extern "C" \{', EXTENSION, "compat/", "native/gc.rs")


def test_references_are_counted_by_hand_in_few_places() -> None:
    check_only_in(r"\bPy_X?(INC|DEC)REF\b|\bPy_X?NewRef\b", EXTENSION, "compat/", "native/")


def test_nothing_is_imported_while_a_program_runs() -> None:
    # native/call.rs has the function itself.
    check_only_in(r"(?<!fn )\bimport\(", EXTENSION, "compat/", "imports.rs", "combinators/sleep_function.rs")
    check_only_in(r"PyImport_", EXTENSION, "native/call.rs")


def test_a_bug_does_not_end_the_process() -> None:
    profiles = manifest(".")["profile"]
    assert "release" in profiles
    assert not [name for name, profile in profiles.items() if profile.get("panic", "unwind") != "unwind"]


def test_builds_without_the_gil_are_refused() -> None:
    assert re.search(r"cfg\(Py_GIL_DISABLED\)\]\s*compile_error!", code_of(EXTENSION / "lib.rs"))


# The package

IMPORT_AND_INSTALL = """
import asyncio, sys, types, warnings

warnings.simplefilter("ignore")
asyncio.get_event_loop_policy()  # made when it is first asked for

def picture():
    found = {}
    for name, module in sys.modules.items():
        if name.partition(".")[0] in ("asyncio", "_asyncio"):
            for key, value in vars(module).items():
                found[name, key] = value
                if isinstance(value, types.FunctionType):
                    found[name, key, "code"] = value.__code__
    return found

def differences(before, after):
    changed = [key for key in before.keys() | after.keys() if before.get(key) is not after.get(key)]
    # Helpers of the redirected functions stay: a coroutine that was made in between may still need them.
    return sorted(key for key in changed if not key[1].startswith("__roundelay_"))

before = picture()
import roundelay
assert not differences(before, picture()), differences(before, picture())
roundelay.install()
assert ("asyncio.tasks", "sleep") in differences(before, picture())
roundelay.uninstall()
assert not differences(before, picture()), differences(before, picture())
"""


def test_importing_changes_nothing_and_uninstalling_puts_everything_back() -> None:
    command = [sys.executable, "-I", "-c", IMPORT_AND_INSTALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_the_package_needs_nothing_at_run_time() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "roundelay"
    assert not project.get("dependencies")
    assert not project.get("optional-dependencies")


# The page itself


def test_every_dependency_has_a_reason() -> None:
    reasons = set(re.findall(r"^\| `([^`]+)` \|", architecture(), re.MULTILINE))
    reasons.update(
        re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", architecture(), re.MULTILINE)))
    )
    crates = ("crates/roundelay", "crates/roundelay-bench", "crates/roundelay-python")
    named = {name for crate in crates for name in dependencies(manifest(crate))}
    assert named - {"roundelay"} - reasons == set()
    used = {"rustix", "polling", "async-task", "pin-project-lite", "pyo3", "libc", "loom", "proptest"}
    assert used | {"lexopt", "rustls"} <= named, "ARCHITECTURE.md gives reasons for what is not used any more"


def test_every_file_that_the_page_names_is_there() -> None:
    names = set(re.findall(r"`([\w./-]+\.(?:rs|pyi?|md|toml))`", architecture()))
    assert "clock.rs" in names
    there = [path.as_posix() for path in ROOT.rglob("*") if path.suffix and "target" not in path.parts]
    assert not {name for name in names if not any(path.endswith("/" + name) for path in there)}


@pytest.mark.parametrize(
    ("folders", "limit"),
    [
        # Some grace over the 400 of the rule, so that a correction need not split a file as well.
        (["crates/roundelay/src", "crates/roundelay-bench", "crates/roundelay-python/src"], 450),
        (["python", "benches"], 450),
        (["crates/roundelay/tests", "crates/roundelay/examples", "tests"], 500),
    ],
)
def test_no_file_is_too_long_to_read(folders: list[str], limit: int) -> None:
    lengths = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for folder in folders
        for file in (ROOT / folder).rglob("*")
        # Types of the native module, which is one: a table, and no code.
        if file.suffix in (".rs", ".py", ".pyi") and file.name != "_core.pyi"
    }
    assert len(lengths) > len(folders)
    assert not {name: n for name, n in lengths.items() if n > limit}
