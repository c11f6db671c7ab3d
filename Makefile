# The two commands: `make run` and `make test`. `make` alone lists all.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint format types e2e bench guard demo shell lock ci

VENV := .venv
BIN := $(VENV)/bin
# python3 first, else any that fits. A name may be a wrapper without a Python behind it, so each is tried.
PYTHONS := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes
PACKAGES := gpuadvisor market billing portfolios chat alerts
# mypy's plugin reads the settings and connects to nothing.
UNCONNECTED := SECRET_KEY=none DATABASE_URL=postgres:///none REDIS_URL=redis://none CACHE_URL=redis://none

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

$(VENV)/.made:
	@for python in $(PYTHONS); do \
	  if "$$python" -c '$(FITS)' >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$python" --version) ..."; \
	    "$$python" -m venv $(VENV) && touch $@ && exit 0 || exit 1; \
	  fi; \
	done; \
	echo "GPU Advisor needs Python 3.11 to 3.14 with its venv module: install one (Debian: apt install python3-venv)," \
	  "or name it, as in make run PYTHON=/usr/bin/python3.12."; exit 1

$(VENV)/.run: requirements.txt $(VENV)/.made
	@echo "Installing requirements.txt (about a minute, once) ..."
	@$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "Installing requirements-dev.txt (once) ..."
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.dev ## everything installed: what run, test and the gates need

run: $(VENV)/.run ## the whole site until Ctrl-C (PORT=8000, DATA_DIR=var, STRIPE=standin)
	@exec $(BIN)/python -m gpuadvisor.servers run

test: $(VENV)/.dev ## all tests but the browser's and the slow ones, on servers of their own
	@exec $(BIN)/python -m pytest -n 2 --ignore=tests/browser -m "not slow" $(ARGS)

e2e: $(VENV)/.dev ## the browser tests (headless Chromium)
	@exec $(BIN)/python -m pytest tests/browser $(ARGS)

lint: $(VENV)/.dev ## ruff, djlint, imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## write code as the linters want it
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

types: $(VENV)/.dev ## mypy, strict
	@$(UNCONNECTED) $(BIN)/mypy $(PACKAGES)

bench: $(VENV)/.dev ## what performance promises, measured (SCALE=10, ONLY=P1,P2)
	@exec $(BIN)/python -m gpuadvisor.bench $(if $(SCALE),--scale $(SCALE)) $(if $(ONLY),--only $(ONLY)) $(ARGS)

guard: $(VENV)/.dev ## calls to users' addresses against 70 tricks, in a network of its own
	@exec $(BIN)/python -m pytest tests/core/test_guard.py -rs $(ARGS)

demo: $(VENV)/.run ## load the demo host again
	@exec $(BIN)/python manage.py load_demo $(ARGS)

shell: $(VENV)/.run ## a Python shell with the models
	@exec $(BIN)/python manage.py shell

lock: $(VENV)/.dev ## pin requirements/*.in anew, with hashes
	@cd requirements && for name in run dev; do \
	  target=../requirements$$([ $$name = dev ] && echo -dev).txt; \
	  ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $$name.in -o $$target || exit 1; \
	done

ci: $(VENV)/.dev ## every gate
	@exec .ci/run
