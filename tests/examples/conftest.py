"""Tests of the programs in examples/servers, which need packages that roundelay does not.

`make test-examples` installs them. Where they are not, these tests are not collected.
"""

import importlib.util

import pytest

NEEDED = ("aiohttp", "asyncpg", "fastapi", "redis", "uvicorn", "websockets")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_report_header(config: pytest.Config) -> str | None:
    return f"tests/examples: left out, needs {', '.join(MISSING)} (make test-examples)" if MISSING else None
