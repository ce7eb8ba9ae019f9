# Everything a person needs: make run, make ui, make test. Set-up happens by itself, once per lock file.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
NSM_HOME ?= $(CURDIR)/data
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export NSM_HOME
export DAGSTER_DISABLE_TELEMETRY := 1
export GX_ANALYTICS_ENABLED := false
# Where nothing may be kept of what was compiled, every process would compile the program and rewrite the tests' asserts.
unexport PYTHONDONTWRITEBYTECODE
# Tests make and forget hundreds of homes: in memory, where there is room for them (8 GB), on disk otherwise.
MEMORY := $(shell df -kP /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 8000000 {print $$6}')
test quick: export TMPDIR := $(or $(MEMORY),$(TMPDIR),/tmp)
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile -o tmp_path_retention_policy=failed

.PHONY: run ui test quick lint types browser soak bench docs lock clean

run: $(READY) ## Sample where the home is empty, run the pipeline, print the summary
	@$(BIN)/nsm sample --if-empty
	@$(BIN)/nsm run || { code=$$?; test $$code -eq 3 || exit $$code; $(BIN)/nsm expected; }

ui: $(READY) ## The Dagster UI with its daemon, on the loopback address
	@$(BIN)/nsm ui

test: $(READY) browser lint types ## Lint, types and all tests
	$(PYTEST) --no-loadscope-reorder -m "not soak"

quick: $(READY) browser lint ## The tests for daily work
	$(PYTEST) -m "not soak and not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

browser: ## Chromium, in which the tests look at pages; installed where there is none and this is root
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && \
	  apt-get install -y -q --no-install-recommends chromium fonts-liberation; } || \
	  { echo "Chromium is needed for the tests of pages: apt-get install chromium"; exit 1; }

soak: $(READY) browser ## Long soaks: 200 kills, every kind of damage alone, many random histories
	$(BIN)/python -m pytest -n 2 --dist loadfile --hypothesis-profile soak -m "soak or hypothesis"

bench: $(READY) ## 20 million events against plain DuckDB; writes docs/performance.md
	$(BIN)/python -m nsm_pipeline_tests.benchmark

docs: $(READY) ## Write anew what docs/ has from the code
	$(BIN)/python -m nsm_pipeline.playbook.documenting docs
	$(BIN)/python -m nsm_pipeline.linting.documenting docs
	$(BIN)/python -m nsm_pipeline.publishing.documenting docs

lock: ## Resolve versions anew (needs uv); hashes, no registry address
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --generate-hashes \
		--no-strip-extras --no-annotate --no-header -q -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed."; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or two) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@{ $(BIN)/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
	   $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable . ; \
	 } > $(VENV)/setup.log 2>&1 || { tail -n 30 $(VENV)/setup.log; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
