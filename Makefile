# Two commands: `make demo` and `make test`. Everything is installed into .venv/.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
NAME ?= access
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: postgresql demo tour test test-quick test-fabric lint format bench lock clean

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than 3.11; run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python pyproject.toml $(LOCK)
	@$(BIN)/pip install --quiet --require-hashes --requirement $(LOCK) 1>&2
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-deps --no-build-isolation --editable . 1>&2  # it warns of every editable installation
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements-test.lock
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements-test.lock 1>&2
	@touch $@

demo: $(VENV)/.runtime  ## a running node with real data, and what to try; ARGS="--ledger fabric" on a real network
	@$(BIN)/consentry demo $(ARGS)

tour: $(VENV)/.runtime  ## the whole story over HTTP, without a person; ARGS="--ledger fabric" on a real network
	@$(BIN)/consentry demo --tour $(ARGS)

postgresql:  ## the server that tests start; without its own cluster, which they don't use
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && { \
	    mkdir -p /etc/postgresql-common; \
	    [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get update -qq && apt-get install -qq --yes --no-install-recommends -o Dpkg::Options::=--force-confold postgresql; \
	  } 1>&2 || echo "PostgreSQL's server is missing and can't be installed by this user: have an administrator run apt-get install postgresql" >&2; }

test: $(VENV)/.test lint postgresql  ## everything
	@$(BIN)/pytest $(ARGS)

test-quick: $(VENV)/.test postgresql  ## without what takes minutes
	@$(BIN)/pytest -m "not slow and not fabric" $(ARGS)

test-fabric: $(VENV)/.test  ## the part on a real Fabric network; fails without Fabric's programs
	@CONSENTRY_REQUIRE_FABRIC=1 $(BIN)/pytest -m fabric $(ARGS)

lint: $(VENV)/.test  ## style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.test
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.runtime  ## make -s bench NAME=access ARGS="--seconds 5"
	@$(BIN)/consentry bench $(NAME) --json $(ARGS)

lock: $(VENV)/.test  ## pin every dependency anew; what is installed is what was tested
	@$(BIN)/uv pip compile --quiet --no-header --generate-hashes --universal --python-version 3.11 --prerelease if-necessary-or-explicit --all-extras pyproject.toml -o requirements-test.lock
	@$(BIN)/uv pip compile --quiet --no-header --generate-hashes --universal --python-version 3.11 --prerelease if-necessary-or-explicit --constraint requirements-test.lock --extra chaincode --extra exchange --extra postgresql --extra analytics --extra build pyproject.toml -o $(LOCK)

clean:
	rm -rf $(VENV) build dist *.egg-info
