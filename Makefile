# The front doors. Each sets up what it needs on a bare Debian 12: `make demo` and `make test` work on a fresh clone.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
ARGS ?=

.PHONY: help demo test test-tools lint bench scale-out services services-stop lock sdk screenshots train-env clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## Run everything in one process; ARGS="--port 8123 --no-browser"
	@exec $(BIN)/shoplight demo $(ARGS)

test: test-tools ## Run the whole test suite: both shapes, real servers, a real browser
	@$(BIN)/python -m pytest -n 2 $(ARGS)

test-tools: $(VENV)/.dev
	@infra/test-tools.sh >&2
	@$(BIN)/python -m infra.services install >&2

lint: $(VENV)/.dev ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev ## Benchmarks, as ratios against a peer or a limit in the same run
	@$(BIN)/python -m tests.bench $(ARGS)

scale-out: $(VENV)/.dev ## The demo in the second shape: real servers, two of each process; ARGS=PORT
	@exec infra/scale-out.sh $(BIN) $(ARGS)

services: $(VENV)/.dev ## Install and start the servers of the scale-out shape; prints the settings that use them
	@$(BIN)/python -m infra.services start $(ARGS)
	@$(BIN)/python -m infra.services env --shell $(ARGS)

services-stop: ## Stop what `make services` started
	@$(PYTHON) -m infra.services stop $(ARGS)

sdk: ## Build the publisher script from its sources (needs Node)
	@cd sdk && npm ci --no-audit --no-fund >&2 && npm run build

screenshots: $(VENV)/.dev ## Draw the pictures of the README from a running demo
	@infra/test-tools.sh >&2
	@$(BIN)/python infra/screenshots/draw.py $(ARGS)

lock: $(VENV)/.dev ## Renew requirements*.lock from pyproject.toml
	@infra/lock.sh $(BIN)

train-env: $(VENV)/.dev ## Add PyTorch and Ultralytics, for `shoplight train`
	@$(BIN)/pip install -q --require-hashes -r requirements-train.lock >&2

clean: ## Remove the virtual environment
	@rm -rf $(VENV)

$(VENV)/.python:
	@infra/python-env.sh $(PYTHON) $(VENV) >&2
	@touch $@

$(VENV)/.demo: requirements.lock pyproject.toml | $(VENV)/.python
	@$(BIN)/pip install -q --require-hashes -r requirements.lock >&2
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e . >&2
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.demo
	@$(BIN)/pip install -q --require-hashes -r requirements-dev.lock >&2
	@touch $@
