# Every target installs what it needs first. `make up` runs the product, `make test` is exactly CI.

.DEFAULT_GOAL := help
.PHONY: help up test test-fast test-full lint format lab soak bench screens bootstrap programs dev lock

PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q
TREES := config apps simulator playout/src tests playout/tests manage.py conftest.py
FAST := -m "not integration and not browser and not slow"
REAL := "integration and not browser and not slow"
# CI judges these on PostgreSQL, Valkey and S3, as production; `make test-full` on SQLite as well.
WITH_SERVERS := $(addprefix tests/integration/,library streaming youtube)

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

up: bootstrap  ## everything on this machine, a demo channel on air (PORT=8000, DATA_DIR=./var)
	@exec $(PY) manage.py up

test: dev programs lint  ## what CI runs
	$(PYTEST) -n 2 $(FAST)
	$(PYTEST) -n 3 --dist loadfile -m $(REAL) $(addprefix --ignore ,$(WITH_SERVERS))
	$(PY) -m tests.servers -- $(PYTEST) -n 3 --dist loadfile -m $(REAL) $(WITH_SERVERS)
	$(PYTEST) tests/e2e -n 3 --dist loadfile -m "browser and not slow"

test-fast: dev  ## unit, property and simulation tests, under a minute
	$(PYTEST) -n 2 $(FAST)

test-full: test  ## and the long cases
	$(PYTEST) -n 2 --dist loadfile -m $(REAL) $(WITH_SERVERS)
	$(PY) -m tests.servers -- $(PYTEST) -n 2 --dist loadfile tests/unit -m "not slow"
	$(PYTEST) -n 2 -m "slow and not integration and not browser"
	$(PYTEST) -m "slow and (integration or browser)"

lint: dev  ## style, types, import rule
	$(PY) -m ruff check $(TREES)
	$(PY) -m ruff format --check $(TREES)
	$(PY) -m mypy config apps simulator playout/src
	.venv/bin/lint-imports --cache-dir .import_linter_cache

format: dev  ## let ruff rewrite what it can
	$(PY) -m ruff check --fix $(TREES)
	$(PY) -m ruff format $(TREES)

lab: dev programs  ## faults against real processes, at production constants, into bench/results/lab.json
	$(PY) scripts/lab

soak: dev programs  ## 20 streams for HOURS (default 1), a fault a minute, into bench/results/soak.json
	$(PY) scripts/lab soak $${HOURS:-1}

bench: dev programs  ## measure, and write bench/results/latest.json and pages.json
	$(PY) scripts/bench
	scripts/bench-pages

screens: dev programs  ## every page in both themes, at 390 and 1440 px, into docs/screens
	$(PY) scripts/screens

bootstrap:  ## .venv with the runtime requirements
	@scripts/bootstrap runtime

dev:
	@scripts/bootstrap dev
	@scripts/install-youtube-description

programs:
	@scripts/install-test-programs

lock:  ## maintainers: resolve requirements/*.in again (needs uv)
	cd requirements && for set in runtime dev; do \
		uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
			--no-annotate --upgrade $$set.in --output-file $$set.txt >/dev/null || exit 1; \
	done
	! grep -n '://' requirements/*.txt
