# `make demo` and `make test` are all a newcomer types; both set up what they need in .venv.

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$each; break; }; done)
BIN := .venv/bin
# Hundreds of tests start a Python of their own: where it may not keep what it compiled, they take twice as long.
unexport PYTHONDONTWRITEBYTECODE
READY := .venv/ready

.PHONY: demo test test-slow check format diagrams openapi spec mutate-lifecycles mutants kill-matrix model bench bench-quick growth mutation-score chaos partition queue

demo: $(READY)
	$(BIN)/scoria demo

PYTEST := $(BIN)/pytest --numprocesses auto --dist loadfile -r s

test: $(READY)
	$(PYTEST) -m 'not slow'

test-slow: $(READY)
	$(PYTEST) -m slow

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m scoria_diagrams.generated --check
	$(BIN)/python -m lab.spec_gate check

diagrams: $(READY)
	$(BIN)/python -m scoria_diagrams.generated

openapi: $(READY)
	$(BIN)/python -c 'from scoria_web.openapi import description; print(description(), end="")' > docs/openapi.json

spec: diagrams
	$(BIN)/python -m lab.spec_gate write --page scoria_cli.page:page \
		memory:// duckdb:///scoria.duckdb

mutate-lifecycles: $(READY)
	$(BIN)/python -m lab.mutants lifecycles memory:// --page scoria_cli.page:page

mutants: $(READY)
	$(BIN)/python -m lab.mutants adapters memory:// --page scoria_cli.page:page --own-clause

kill-matrix: $(READY)
	$(BIN)/python -m lab.mutants adapters memory:// --page scoria_cli.page:page

# A store is scored by what is put to a store directly: whatever else needs of one is said there.
SCORE := $(BIN)/python -m lab.mutants operators
mutation-score: $(READY)
	$(SCORE) memory:// --page scoria_cli.page:page scoria_core.decisions
	$(SCORE) memory:// --suite store scoria_memory.store
	$(SCORE) duckdb:///scoria.duckdb --suite store scoria_duckdb.journal_file scoria_duckdb.store

model: $(READY)
	$(BIN)/python -m lab.model

bench: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m lab.bench --report lab/bench

# A minute: what W costs beside raw stores, and beside the last line of the history.
bench-quick: $(READY)
	$(BIN)/python -m lab.bench.quick

# What single calls cost as stores grow, into lab/bench/GROWTH.md.
growth: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m lab.bench.growth --report lab/bench

chaos: $(READY)
	$(BIN)/python -m lab.chaos kills

partition: $(READY)
	$(BIN)/python -m lab.chaos partition

queue: $(READY)
	$(BIN)/python -m lab.chaos queue

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(READY)
