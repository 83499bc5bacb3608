# The two commands are `make run` and `make test`. Both work on a fresh clone with nothing but
# Python >= 3.11 and a package registry; what they install lies in .venv and is pinned by hash.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Test processes. Two halve the wait for fsync and servers on a small machine.
JOBS ?= 2
# Extra arguments: make test ARGS="-k souls"
ARGS ?=

# Debian's programs that some tests drive; where one is missing, those tests skip and say so.
PROGRAMS := pgbouncer zsh fish strace

BIN := .venv/bin
READY := .venv/.ready
READY_BENCH := .venv-bench/.ready
# The apsw that encrypts. It has the name of the other, so it lies apart; tests put it in front.
READY_AT_REST := .venv/at-rest/.ready
GATED := src/perdure/kernel/*,src/perdure/engines/*,src/perdure/vault/*
# Pages that a type checker alone reads (tests/typing) and the package.
TYPED := src $(wildcard tests/typing)
CODE := src tests $(wildcard benchmarks examples docs)

.DEFAULT_GOAL := help
.PHONY: help setup run test quick suite lint types coverage bench format pins clean pgbouncer

help:
	@echo 'make run     set up and show a self that survives SIGKILL'
	@echo 'make test    set up, then every gate and the whole suite'
	@echo 'make quick   the suite without the markers slow and soak'
	@echo 'make lint | types | coverage | format | bench | pins | clean'

setup: $(READY) $(READY_AT_REST)

run: $(READY)
	@$(BIN)/perdure demo

test: lint types suite coverage

quick: $(READY) $(READY_AT_REST)
	$(BIN)/pytest -n $(JOBS) -m 'not slow and not soak' $(ARGS)

suite: $(READY) $(READY_AT_REST) programs
	@rm -f .coverage .coverage.*
	$(BIN)/pytest -n $(JOBS) --dist worksteal --cov --cov-report= $(ARGS)

# Reads what the last `make suite` measured: every line and branch of the foundation.
coverage: $(READY)
	$(BIN)/coverage report --include='$(GATED)' --fail-under=100

lint: $(READY)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy $(TYPED)
	$(BIN)/basedpyright $(TYPED)

format: $(READY)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(READY_BENCH)
	.venv-bench/bin/python -m benchmarks $(ARGS)

# $(1) the environment, $(2) its requirements. pip brings the pinned uv, uv the rest; where uv
# cannot run or cannot reach what pip is configured to reach, pip does it all.
define install
	@test -n '$(PYTHON)' || { echo 'Perdure needs Python 3.11 or newer: PYTHON=... make'; exit 1; }
	@echo 'setting up $(1) from $(2)'
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@awk '/^uv==/ {on=1} on {print} on && !/\\$$/ {exit}' $(2) > $(1)/uv.txt
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check \
		--require-hashes --no-deps -r $(1)/uv.txt || echo 'no uv here: pip does it'
	@$(1)/bin/uv pip sync --quiet --python $(1)/bin/python --require-hashes $(2) \
		|| $(1)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(2)
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check \
		--no-build-isolation --no-deps --no-index --editable .
	@touch $@
endef

$(READY): requirements-dev.txt pyproject.toml
	$(call install,.venv,requirements-dev.txt)

$(READY_BENCH): requirements-bench.txt pyproject.toml
	$(call install,.venv-bench,requirements-bench.txt)

$(READY_AT_REST): requirements-at-rest.txt $(READY)
	@rm -rf $(@D)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps \
		--target $(@D) -r requirements-at-rest.txt
	@touch $@

# Real programs where they can be had; elsewhere the tests that drive them skip and say why.
programs:
	@missing=; for p in $(PROGRAMS); do \
		command -v $$p >/dev/null || test -x /usr/sbin/$$p || missing="$$missing $$p"; done; \
	if test -z "$$missing"; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		echo "installing$$missing"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 \
			|| echo "could not be installed, their tests will be skipped:$$missing"; \
	else echo "missing, and not root, so their tests will be skipped:$$missing"; fi

# Fresh pins: hashes for every platform, no host names. Review the diff.
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes \
	--extra postgres --extra vault
pins: $(READY)
	$(COMPILE) pyproject.toml requirements-dev.in -o requirements-dev.txt
	$(COMPILE) -c requirements-dev.txt pyproject.toml requirements-bench.in \
		-o requirements-bench.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes \
		requirements-at-rest.in -o requirements-at-rest.txt

clean:
	rm -rf .venv .venv-bench build dist htmlcov .coverage .coverage.* .hypothesis \
		.import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
