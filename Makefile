# Everything a person needs of this tree. Each target first sets up `.venv` by itself; needed: Python 3.11+ with pip.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
KERNEL := $(wildcard src/mithaq/detection/prefilter/native/*)
UV_VERSION := $(shell sed -n '/^name = "uv"$$/{n;s/^version = "\(.*\)"$$/\1/p;}' uv.lock)
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$p" && break; done)
CHECKS := 'ruff check .' 'ruff format --check .' mypy 'lint-imports --no-cache --no-logo' \
	'python tools/i18n.py check' 'python tools/vendor.py check' 'python tools/check_tree.py' \
	'python tools/reference.py check'
ARGS ?=
JOBS ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))
IN_MEMORY := $(shell test -w /dev/shm && test "$$(df --output=avail -k /dev/shm | tail -1)" -gt 8000000 && echo TMPDIR=/dev/shm)
PYTEST := $(IN_MEMORY) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Python keeps what it has compiled: without that each process of a node takes two seconds longer to start.
unexport PYTHONDONTWRITEBYTECODE
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),1,0)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-long test-deep test-engines check bench lock clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

setup: $(STAMP) ## Install everything into .venv; a second run finds it done
	@echo "ready: $(VENV)"

demo: $(STAMP) ## Three nations, one attack, one agreement (ARGS="--once --lang fr")
	$(BIN)/mithaq demo $(ARGS)

test: $(STAMP) ## Run the tests, three to two cores since some wait (ARGS="-k journal", JOBS=0 for one process)
	$(PYTEST) -m "not long and not deep" $(ARGS)

test-long: $(STAMP) ## Run the whole stories that take minutes: the demo, kills, a lost key, every benchmark in small
	$(PYTEST) -m "long and not deep" $(ARGS)

test-deep: $(STAMP) ## Run everything, the campaigns of hours too
	$(PYTEST) $(ARGS)

test-engines: $(STAMP) ## Ask Spark what DuckDB answers (installs PySpark, half a gigabyte; needs Java)
	$(BIN)/uv sync --quiet --frozen --all-groups
	$(PYTEST) tests/deep/test_engines.py

check: $(STAMP) ## Style, types, floors, translations, vendored files, the house rules
	@failed=0; for step in $(CHECKS); do echo "== $$step"; $(BIN)/$$step || failed=1; done; exit $$failed

bench: $(STAMP) ## Run every benchmark in its small size (ARGS="--full" for the sizes the README quotes)
	$(BIN)/python -m benchmarks $(ARGS)

lock: $(BIN)/uv ## Resolve the dependencies of pyproject.toml anew
	$(BIN)/uv lock $(ARGS)

clean: ## Remove what set-up and runs have made
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .coverage demo-data

$(STAMP): pyproject.toml uv.lock $(KERNEL) | $(BIN)/uv
	$(BIN)/uv sync --quiet --frozen --all-groups --no-group engines
	$(BIN)/python -m mithaq.intelligence.warninglists.compile
	$(BIN)/python -m mithaq.detection.prefilter.build
	@touch $@

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found" >&2; exit 1; }
	$(PYTHON) -m venv --clear --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet uv==$(UV_VERSION)
