# The one task list, for people and for CI. `make` alone prints it.
#
# VERSION=3.12 (or 3.11, 3.13, 3.14) takes that Python in place of the default `python3`, in a virtual
# environment of its own.

VERSION ?= default
# .venv belongs to the default interpreter, .venv-3.12 to Python 3.12.
suffix := $(if $(filter default,$(VERSION)),,-$(VERSION))
on_python := scripts/on-python $(VERSION)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-rust test-python test-all test-examples upstream soak miri bench check format clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build:  ## build roundelay in release mode into .venv
	@$(on_python) scripts/build-venv .venv$(suffix)

demo: build  ## build, then run the first lesson's program on roundelay
	@$(on_python) .venv$(suffix)/bin/roundelay run examples/lessons/async_basics.py

test:  ## all tests on one Python: Rust, pytest, CPython's own asyncio tests
	@status=0; scripts/test-rust || status=1; \
	$(on_python) scripts/test-python .venv$(suffix) || status=1; \
	cat target/test-logs/rust 2>/dev/null; exit $$status

test-rust:  ## the Rust tests only
	@scripts/test-rust

test-python:  ## the Python tests only; PYTEST_ARGS="-k name" chooses among ours
	@$(on_python) scripts/test-python .venv$(suffix)

test-all:  ## Rust tests, then the Python tests on every supported Python found
	@status=0; scripts/test-rust || status=1; scripts/test-all || status=1; \
	cat target/test-logs/rust 2>/dev/null; exit $$status

test-examples:  ## the programs in examples/servers, with the packages that they need
	@$(on_python) scripts/test-examples .venv-examples$(suffix)

upstream:  ## aiohttp's, uvicorn's and others' own tests, on asyncio and on ours; SUITES="httpx anyio" chooses
	@$(on_python) scripts/upstream .venv$(suffix) $(SUITES)

soak:  ## clients of every kind for minutes, while memory and descriptors stay flat; SECONDS=300
	@$(on_python) scripts/soak .venv$(suffix) --seconds $(or $(SECONDS),300)

miri:  ## the pure Rust crate under miri (needs: rustup component add miri --toolchain nightly)
	@scripts/test-miri

bench:  ## measure against asyncio and other loops; BENCH_ARGS are passed on
	@$(on_python) scripts/bench .venv-bench$(suffix) $(BENCH_ARGS)

check:  ## format, lints, types and documentation; warnings are errors
	@$(on_python) scripts/check .venv$(suffix)

format:  ## put Rust and Python sources into the house's format
	@cargo fmt --all
	@$(on_python) scripts/make-venv .venv$(suffix) check
	@$(on_python) .venv$(suffix)/bin/ruff check --fix-only --quiet .
	@$(on_python) .venv$(suffix)/bin/ruff format .

clean:  ## remove everything built, virtual environments included
	rm -rf target .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find benches examples python tests -name __pycache__ -type d -prune -exec rm -rf {} +
