"""Libraries that are loaded in front of the C library, for tests that watch or replace its functions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent


def compiler() -> str:
    """The C compiler; skips the test where there is none."""
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("there is no C compiler")
    return found


def build(name: str, folder: Path) -> Path:
    """Compile `name`.c into a library in `folder`; skips the test where that is impossible."""
    if not sys.platform.startswith("linux") or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"):
        pytest.skip("stands in front of glibc")
    library = folder / f"{name}.so"
    command = [compiler(), "-shared", "-fPIC", "-O1", "-fno-builtin", "-Wall", "-Werror"]
    subprocess.run([*command, SUPPORT / f"{name}.c", "-o", library], check=True)
    return library


def environment(library: Path) -> dict[str, str]:
    """What a Python that is to load the library finds in its environment; it finds the tests' helpers too."""
    return {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(SUPPORT.parent)}
