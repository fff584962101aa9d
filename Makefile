# `make` prints the targets. Every one makes its own virtual environment first, once.
.DEFAULT_GOAL := help
.PHONY: help demo test check format typecheck bench bench-full clean
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VENV ?= .venv
# Test processes side by side: most of a test's time is waiting, so one more than there are cores.
JOBS ?= 3
export PYTHON
BIN := $(VENV)/bin
DEV := $(VENV)/.dev-installed
CHECKERS := $(VENV)/.checkers-installed

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

demo: $(DEV) ## typed tasks run end to end through a real Redis, in some seconds
	@$(BIN)/scalr-tasks demo

test: $(DEV) ## the whole suite, against a Redis that it starts itself
	@$(BIN)/pytest -q -n $(JOBS) $(ARGS)

check: $(DEV) ## lint, format, types, then the whole suite: what must pass before a change goes in
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict scalr_tasks
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/pytest -q -n $(JOBS) $(ARGS)

format: $(DEV) ## format the code, and repair what the linter can repair
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

typecheck: $(CHECKERS) ## what five type checkers say of correct and of wrong calls
	@$(BIN)/python tests/typing/run_probes.py --path . --bin $(BIN)

bench: $(DEV) ## every benchmark in quick sizes, each a table with its goals: at most 5 minutes
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || missed="$${missed:-} $$file"; done; \
	[[ -z $${missed:-} ]] || { echo "goals missed in:$$missed" >&2; exit 1; }

bench-full: $(DEV) ## enqueue and workers in full sizes, half an hour: writes docs/performance.md
	@missed=; for file in enqueue engine; do $(BIN)/python benchmarks/$$file.py --full --write || missed="$$missed $$file"; done; \
	[[ -z $$missed ]] || { echo "goals missed in:$$missed" >&2; exit 1; }

clean: ## remove the virtual environment and every cache
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- environment -------------------------------------------------------------------------

# A stamp, so that a second run installs nothing; a changed pyproject.toml installs again.
$(DEV): pyproject.toml
	@.ci/install $(VENV) dev
	@touch $@

$(CHECKERS): pyproject.toml $(DEV)
	@.ci/install $(VENV) typecheck
	@touch $@
