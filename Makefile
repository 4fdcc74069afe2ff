# `make` alone lists what there is to do. `run` and `test` need nothing but Python, git and make:
# whatever is missing is installed into .venv first, exactly what the lock files name.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALL := -m pip install --quiet --disable-pip-version-check

# Stamps, made when an installation is complete; the second has all that the first has.
READY_TO_RUN := $(VENV)/.ready-to-run
READY := $(VENV)/.ready

# The program is built where nothing is installed that it should not carry.
BUILD_VENV := build/venv
READY_TO_BUILD := $(BUILD_VENV)/.ready

KILLS ?= 2000
SEEDS ?= 20000
CASES ?= 1000

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(if $(wildcard $(READY)),$(READY),$(READY_TO_RUN)) ## Serve engine and REST on port 8000
	$(BIN)/tipman serve

.PHONY: example
example: $(if $(wildcard $(READY)),$(READY),$(READY_TO_RUN)) ## Run an example workflow to its end
	$(BIN)/tipman run examples/morning.yaml

.PHONY: setup
setup: $(READY) ## Make .venv with everything a developer needs

.PHONY: check
check: lint types layers test ## All that every change must pass

.PHONY: lint
lint: $(READY) ## Style (ruff), without changing a file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: fix
fix: $(READY) ## Style (ruff), changing what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: $(READY) ## Types (mypy, strict)
	$(PY) -m mypy

.PHONY: layers
layers: $(READY) ## Import directions (import-linter)
	$(BIN)/lint-imports --no-cache

.PHONY: test
test: $(READY) ## Tests, and every example in the docs
	$(PY) -m pytest

.PHONY: coverage
coverage: $(READY) ## Tests with branch coverage
	$(PY) -m coverage run -m pytest
	$(PY) -m coverage report

.PHONY: bench
bench: $(READY) ## Speed, side by side with peers
	$(PY) benchmarks/run.py

.PHONY: binary
binary: dist/tipman ## The single program: dist/tipman, and unpacked dist/tipman-folder/tipman

dist/tipman: $(READY_TO_BUILD) build.spec $(shell find api engine -type f -not -name '*.pyc')
	rm -rf build/pyinstaller dist/tipman dist/tipman-folder
	PYINSTALLER_CONFIG_DIR=build/pyinstaller-cache $(BUILD_VENV)/bin/python -m PyInstaller \
	  --noconfirm --log-level ERROR --workpath build/pyinstaller build.spec

.PHONY: crash
crash: $(READY) ## Kill engine and server with -9, KILLS times (200 or more) each, and check what is left
	TIPMAN_TEST_KILLS=$(KILLS) TIPMAN_TEST_SCHEDULE_KILLS=$(KILLS) \
	  TIPMAN_TEST_WORKFLOW_KILLS=$(KILLS) \
	  $(PY) -m pytest tests/crash tests/crash_rest tests/crash_schedules \
	  tests/crash_workflows

.PHONY: soak
soak: $(READY) ## SEEDS of interleavings and crashes, CASES of every request, 200,000 tasks
	TIPMAN_TEST_SEEDS=$(SEEDS) $(PY) -m pytest tests/simulation
	TIPMAN_TEST_CASES=$(CASES) $(PY) -m pytest tests/serving/test_openapi_fuzz.py
	TIPMAN_TEST_SOAK_TASKS=200000 $(PY) -m pytest tests/operations/test_soak.py
	TIPMAN_TEST_CRON_SPECS=400000 $(PY) -m pytest tests/schedules/test_cron_oracle.py
	TIPMAN_TEST_SCHEDULE_SEEDS=$(SEEDS) TIPMAN_TEST_SCHEDULE_YEARS=2 \
	  $(PY) -m pytest tests/schedule_simulation
	TIPMAN_TEST_WORKFLOW_SEEDS=$(SEEDS) $(PY) -m pytest tests/workflow_simulation

.PHONY: openapi
openapi: $(READY) ## Write the OpenAPI document again
	$(PY) docs/openapi.py

.PHONY: drawings
drawings: $(READY) ## Draw the built-in charts into the docs again
	$(PY) docs/drawings.py

.PHONY: lock
lock: ## Choose the newest allowed versions and write them into the lock files
	$(PYTHON) -m venv build/lock
	build/lock/bin/python $(INSTALL) uv
	$(LOCK) --group dev --output-file requirements-dev.lock
	$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock
	$(LOCK) --constraint requirements-dev.lock --group binary --output-file requirements-binary.lock
LOCK := build/lock/bin/uv pip compile requirements-build.in pyproject.toml --quiet --upgrade \
  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

.PHONY: clean
clean: ## Remove what was built and cached, .venv too
	rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache \
	  .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY_TO_RUN): requirements.lock pyproject.toml
	$(call install,$(VENV),requirements.lock)

$(READY): requirements-dev.lock pyproject.toml
	$(call install,$(VENV),requirements-dev.lock)

$(READY_TO_BUILD): requirements-binary.lock pyproject.toml
	$(call install,$(BUILD_VENV),requirements-binary.lock)

TOO_OLD := Tipman needs Python 3.11 or newer; if it has another name: make PYTHON=python3.12 …

define install
@$(PYTHON) -c 'import sys; sys.exit("$(TOO_OLD)" if sys.version_info < (3, 11) else 0)'
$(PYTHON) -m venv $(1)
$(1)/bin/python $(INSTALL) --require-hashes --requirement $(2)
$(1)/bin/python $(INSTALL) --no-deps --no-build-isolation --editable .
@touch $@
endef
