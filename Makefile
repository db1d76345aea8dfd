# Two commands do everything on a fresh machine with Python 3.11 or newer: `make run` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help run test setup setup-test bench lint types imports lock clean format
PYTHON ?= python3
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE = 1

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: setup ## start the sample network and make a real part across it (Ctrl-C stops it)
	@$(BIN)/interwork demo

test: setup-test lint types imports ## check everything: lint, types, imports, all tests
	@$(BIN)/python tests/again.py .venv/pytest -n 2 --dist loadfile tests --ignore tests/browser
	@$(BIN)/python tests/again.py .venv/pytest tests/browser # alone: the browser's driver keeps an event loop of its own

setup: .venv/.ready ## prepare .venv and the static files

.venv/.ready: requirements.txt pyproject.toml hatch_build.py package-lock.json $(wildcard src/interwork/web/locale/*/LC_MESSAGES/*.po)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Interwork needs Python 3.11 or newer; set PYTHON=… to one.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what requirements.txt pins (a minute or two the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt 2>&1 | grep -v '^WARNING: Location' || true
	@$(BIN)/python -c 'import ortools, duckdb, cascadio, asyncua' || (echo "The installation failed; see above." >&2; exit 1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . 2>&1 | grep -v '^WARNING: Location' || true
	@test -x $(BIN)/interwork || (echo "The installation of interwork itself failed." >&2; exit 1)
	@touch $@

setup-test: .venv/.ready-test ## prepare what the tests need besides (test tools, a Chromium, machine servers of others)

.venv/.ready-test: .venv/.ready requirements-dev.txt tests/install-peers.sh tests/node-peers/package-lock.json
	@echo "Installing the test tools …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt 2>&1 | grep -v '^WARNING: Location' || true
	@$(BIN)/python -c 'import pytest, playwright, mypy' || (echo "The installation of the test tools failed; see above." >&2; exit 1)
	@sh tests/install-browser.sh
	@sh tests/install-peers.sh
	@touch $@

lint:
	@$(BIN)/ruff check --no-cache --quiet .
	@$(BIN)/ruff format --no-cache --check --quiet .

types:
	@$(BIN)/mypy --no-error-summary

imports:
	@$(BIN)/lint-imports --no-cache --config pyproject.toml

format: ## put the code into the house's form
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format --quiet .

bench: setup-test ## measure; NAME=x for one bench
	@PYTHONPATH=. $(BIN)/python -m bench $(if $(NAME),NAME=$(NAME))

lock: ## pin the dependencies anew
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -o requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --group dev -c requirements.txt --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -o requirements-dev.txt

clean: ## forget the sample network
	@rm -rf .interwork/demo
