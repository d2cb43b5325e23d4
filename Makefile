# Each target sets up by itself what it needs; the second time that takes no time.
# `make` alone lists the targets.

PYTHON := .venv/bin/python
# As many workers as there are processors; groups marked xdist_group stay on one of them.
PYTEST_FLAGS ?= -n auto --dist loadgroup

.PHONY: help setup demo test check bench goldens clean

help:
	@echo "make demo     explain, build, shrink and prove the examples, with a table at the end"
	@echo "make test     the whole test suite"
	@echo "make check    format, lint, types and walls"
	@echo "make bench    the benchmark against Docker and buildah"
	@echo "make goldens  write the expected outputs of the tests again, to be read in the diff"
	@echo "make setup    only the Python environment and the OCI runtime"
	@echo "make clean    everything that the other targets made"

setup:
	@scripts/setup python run

demo:
	@scripts/setup python run demo
	@$(PYTHON) -m compileall -q src
	@scripts/demo

test:
	@scripts/setup python run test
	$(PYTHON) -m pytest $(PYTEST_FLAGS)

check:
	@scripts/setup python
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	MYPYPATH=bench:scripts:tests/conformance .venv/bin/mypy bench/run.py bench/works/*.py scripts/walk.py
	.venv/bin/lint-imports

# Byte-code is made first, as an installation does: a checkout that was just changed would be measured compiling.
bench:
	@scripts/setup python run bench
	@$(PYTHON) -m compileall -q src
	$(PYTHON) bench/run.py $(BENCH_FLAGS)

goldens:
	@scripts/setup python run test
	LAMELLA_GOLDENS=write $(PYTHON) -m pytest -q -n auto --dist loadgroup -m "not slow"
	@git --no-pager diff --stat -- tests docs

clean:
	@scripts/clean
