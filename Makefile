# `make` lists the targets. Everything runs in .venv, which `make setup` creates from requirements.lock.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help setup run demo test lint check bench bench-detection docs lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-15s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "otelbridge needs Python 3.11 or newer; choose one with: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (once; about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(STAMP)

setup: $(STAMP) ## create .venv with everything in it

run: setup ## run the daemon with the embedded default configuration
	@$(BIN)/otelbridge run

demo: setup ## start the daemon, send it a small application's telemetry, show what came of it
	@$(BIN)/otelbridge demo

test: setup ## run the tests
	@$(BIN)/python -m pytest -q -n auto

lint: setup ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## lint, and the tests with branch coverage
	@$(BIN)/python -m pytest -q -n auto --cov --cov-branch --cov-report=term:skip-covered

bench: setup ## CPU and memory per span, next to Rotel's (installs rotel)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "rotel>=0.0.1a15"
	@$(BIN)/python -m bench

bench-detection: setup ## what the detectors find, miss and make up, beside their rivals (installs river)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "river>=0.26"
	@$(BIN)/python -m bench.detection

docs: setup ## write what is generated: config.example.yaml and docs/components
	@$(BIN)/python -m otelbridge.cli.documentation

lock: ## resolve the dependencies anew into requirements.lock
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --upgrade pip
	@.venv-lock/bin/python -m pip install --quiet --group dev .
	@.venv-lock/bin/python -m pip freeze --exclude otelbridge > requirements.lock
	@rm -r .venv-lock
