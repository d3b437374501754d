# `make demo`, `make tour` and `make test` install what they need into .venv/ and say so on standard error.
PYTHON ?=# found by itself: 3.11, 3.12 or 3.13; or make PYTHON=/path/to/python
VENV := .venv
BIN := $(VENV)/bin
NAME ?= access
ARGS ?=
PIN := $(BIN)/uv pip compile --quiet --no-header --generate-hashes --universal --python-version 3.11 --prerelease if-necessary-or-explicit
PARALLEL := --numprocesses logical --maxprocesses 4 --dist loadscope
RUNTIME := chaincode gateway postgresql scoring evaluator training pictures cohorts build

.DEFAULT_GOAL := help
.PHONY: FORCE help demo tour test test-quick test-fabric test-pythons screenshots postgresql chromium lint format bench lock clean

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Looks each time whether the environment is still of use; what is installed in it depends on that.
$(VENV)/.python: FORCE
	@sh tools/environment.sh $(VENV) "$(PYTHON)"

$(VENV)/.demo: $(VENV)/.python pyproject.toml requirements-demo.lock requirements-installer.lock
	@sh tools/install.sh $(VENV) requirements-demo.lock "the demo"
	@touch $@

$(VENV)/.test: $(VENV)/.python pyproject.toml requirements-test.lock requirements-installer.lock
	@sh tools/install.sh $(VENV) requirements-test.lock "the demo and the tests"
	@touch $(VENV)/.demo $@

demo: $(VENV)/.demo  ## a running node with real data, and what to try; ARGS="--ledger fabric" on a real network
	@$(BIN)/consentry demo $(ARGS)

tour: $(VENV)/.demo  ## the whole story over HTTP, without a person; ARGS="--ledger fabric" on a real network
	@$(BIN)/consentry demo --tour $(ARGS)

bench: $(VENV)/.demo  ## the figures of the README: make -s bench NAME=access ARGS="--seconds 5"
	@$(BIN)/consentry bench $(NAME) --json $(ARGS)

test: $(VENV)/.test lint postgresql chromium  ## everything: lint and all tests; installs PostgreSQL and Chromium as root
	@$(BIN)/pytest $(PARALLEL) $(ARGS)

test-quick: $(VENV)/.test postgresql  ## without what takes minutes
	@$(BIN)/pytest $(PARALLEL) -m "not slow and not fabric" $(ARGS)

test-fabric: $(VENV)/.test  ## the part on a real Fabric network; fails without Fabric's programs
	@CONSENTRY_REQUIRE_FABRIC=1 $(BIN)/pytest -m fabric $(ARGS)

test-pythons:  ## a quick part on each other Python, 3.11 to 3.13, that the machine has
	@sh tools/test_pythons.sh

postgresql:  ## the system's PostgreSQL, which tests start; as root from apt, and never a cluster of its own
	@sh tools/postgresql.sh

chromium:  ## the system's Chromium, in which tests open the patient's pages; as root from apt
	@sh tools/chromium.sh

screenshots: $(VENV)/.test chromium  ## pictures of the patient's pages in screenshots/, light and dark, narrow and wide
	@CONSENTRY_SCREENSHOTS=$(CURDIR)/screenshots $(BIN)/pytest -q tests/scenarios/pages/test_patient_browser.py

lint: $(VENV)/.test  ## style, types, the direction of imports, names, prose and licences
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.names
	@$(BIN)/python -m tools.prose
	@$(BIN)/python tools/licences.py --check

format: $(VENV)/.test  ## the style that lint asks for
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(VENV)/.test  ## pin every dependency anew; what is installed is what was tested
	@$(PIN) --group installer -o requirements-installer.lock
	@$(PIN) --all-extras pyproject.toml -o requirements-test.lock
	@$(PIN) --constraint requirements-test.lock $(RUNTIME:%=--extra %) pyproject.toml -o requirements.lock
	@$(PIN) --constraint requirements-test.lock --extra demo --extra build pyproject.toml -o requirements-demo.lock
	@$(MAKE) --no-print-directory $(VENV)/.test
	@$(BIN)/python tools/licences.py

clean:  ## remove what was installed and built
	rm -rf $(VENV) $(VENV)-3.* build dist *.egg-info
