"""Fetches what a suite needs: its tests, and a virtual environment with the package in it.

Everything is kept below `target/upstream/pyX.Y`, and made anew when the data that it was made from changes.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from suites import Suite, normal

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "target" / "upstream" / "py{}.{}".format(*sys.version_info[:2])
RUNNER = ["pytest", "pytest-timeout", "pytest-xdist"]
TIMEOUT = 600.0
"""Seconds for one download or installation."""


class CannotPrepare(Exception):
    """What the suite needs is not to be had; the message says what and why."""


@dataclass(frozen=True)
class Prepared:
    """Where a suite is, ready to run."""

    python: Path
    folder: Path
    """The folder in which pytest is started."""


def prepare(suite: Suite) -> Prepared:
    """Fetch and install what is not there yet. Raises CannotPrepare."""
    home = CACHE / suite.name
    python = home / "venv" / "bin" / "python"
    _once(home / "venv", [suite.install, RUNNER, suite.versions()], lambda: _make_environment(home, suite))
    if suite.source == "installed":
        return Prepared(python, next((home / "venv" / "lib").glob("python3*/site-packages")))
    _once(home / "tests", [suite.version, suite.source, suite.keep], lambda: _fetch_tests(home, suite))
    return Prepared(python, home / "tests")


def copy_of_ours() -> Path:
    """A folder for PYTHONPATH with roundelay alone, as the wheel installed it for the running Python."""
    import roundelay

    folder = CACHE / "ours"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(Path(roundelay.__file__).parent, folder / "roundelay")
    return folder


def _once(folder: Path, made_from: object, make: Callable[[], None]) -> None:
    """Call `make` unless the folder was made from the same before."""
    stamp = folder.with_suffix(".made-from")
    text = hashlib.sha256(json.dumps([sys.version, made_from]).encode()).hexdigest()
    if not folder.is_dir() or not stamp.exists() or stamp.read_text() != text:
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        make()
        stamp.write_text(text)


def _make_environment(home: Path, suite: Suite) -> None:
    venv.create(home / "venv", with_pip=True)
    python = str(home / "venv" / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    versions = suite.versions()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("".join(f"{name}=={version}\n" for name, version in versions.items()))
        constraints.flush()
        _call([*pip, "install", "--quiet", "--constraint", constraints.name, *suite.install, *RUNNER])
    there = {item["name"] for item in json.loads(_call([*pip, "list", "--format", "json"]))}
    if strangers := sorted(name for name in there if normal(name) not in {*versions, "pip", "setuptools"}):
        raise CannotPrepare(f"constraints.txt gives no version of {', '.join(strangers)}")


def _fetch_tests(home: Path, suite: Suite) -> None:
    with tempfile.TemporaryDirectory(prefix="roundelay-upstream-") as temporary:
        folder = Path(temporary)
        if suite.source == "pypi":
            _download_sdist(folder, suite)
        elif suite.source.startswith("debian/"):
            _download_debian(folder, *suite.source.split("/")[1:])
        else:
            raise CannotPrepare(f"no such source: {suite.source}")
        (archive,) = folder.glob("*.tar.*")
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "all", filter="data")
        (top,) = (folder / "all").iterdir()
        (home / "tests").mkdir()
        for name in suite.keep:
            if not (top / name).exists():
                raise CannotPrepare(f"{archive.name} comes without {name}")
            copy = shutil.copytree if (top / name).is_dir() else shutil.copy
            copy(top / name, home / "tests" / name)


def _download_sdist(folder: Path, suite: Suite) -> None:
    # pip asks the sdist for its metadata, for which it builds it in an environment of its own.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    _call([*pip, "--no-binary", suite.name, "--dest", str(folder), f"{suite.name}=={suite.version}"])


def _download_debian(folder: Path, release: str, package: str) -> None:
    """The sources of a package by apt, which checks their signature, whatever release this machine runs."""
    if shutil.which("apt-get") is None:
        raise CannotPrepare("its tests come from Debian's sources, and there is no apt-get here")
    repositories = _call(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).split()
    mirrors = [address for address in repositories if address.rstrip("/").endswith("/debian")]
    keys = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if not mirrors or not keys.exists():
        raise CannotPrepare("its tests come from Debian's sources, and apt knows no Debian mirror here")
    apt = folder / "apt"
    (apt / "lists" / "partial").mkdir(parents=True)
    (apt / "sources.list").write_text(f"deb-src [signed-by={keys}] {mirrors[0]} {release} main\n")
    options = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt,
        "APT::Sandbox::User": "root",
    }
    command = ["apt-get", "--quiet=2", *(f"--option={name}={value}" for name, value in options.items())]
    _call([*command, "update"])
    _call([*command, "source", "--download-only", "--tar-only", package], cwd=folder)


def _call(command: list[str], cwd: Path = ROOT) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd)
    except subprocess.TimeoutExpired:
        raise CannotPrepare(f"no end after {TIMEOUT:.0f} s: {' '.join(command)}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise CannotPrepare(f"{' '.join(command[:4])} ...: {lines[-1]}")
    return done.stdout
