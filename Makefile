# The whole vocabulary. Everything lives in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := src tests benchmarks tools
unexport PYTHONDONTWRITEBYTECODE # the tests start some hundred processes, all of the same code

.PHONY: demo test check cover fix slow bench mutate install clean

demo: .venv/installed
	$(BIN)/evendistill demo

test: .venv/developing
	$(MAKE) check

check: .venv/developing
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu and not alone"
	$(BIN)/pytest -m "alone and not slow and not gpu"

cover: .venv/developing
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not gpu and not alone" --cov --cov-report=term:skip-covered

fix: .venv/developing
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

slow: .venv/developing
	$(BIN)/pytest -m slow

bench: .venv/installed
	$(BIN)/python -m benchmarks.step

mutate: .venv/developing
	$(BIN)/pip install --quiet -c constraints.txt mutmut
	$(BIN)/python tools/mutate.py

install: .venv/developing

clean:
	rm -rf .venv demo build

.venv/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "evendistill needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

.venv/developing: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
