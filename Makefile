# The two commands to know: `make demo` and `make test`. Each sets up what it needs and says so.
# One profile (release) for everything, so that dependencies compile once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo build test check format bench soak test-clients

LANE := scripts/lane.sh
SWATH := target/release/swath
export SWATH_BIN ?= $(CURDIR)/$(SWATH)
# `make soak`: cases per property test, and how often an ingest is killed and repeated (5 in `make test`).
SOAK_CASES ?= 20000
SOAK_KILLS ?= 100
# Items of the catalogue of `make bench`.
BENCH_ITEMS ?= 100000

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: build ## Build, simulate a season, register, search and extract it, show what came out
	$(SWATH) demo

build: ## Build target/release/swath
	@scripts/setup.sh build
	cargo build --release

test: ## Everything: format, spelling, lints, tests in Rust, tests against the reference programs
	@scripts/setup.sh test
	@$(LANE) format cargo fmt --all --check
	@$(LANE) spelling target/venv/bin/typos
	@$(LANE) lints cargo clippy --release --workspace --all-targets -- -D warnings
	@$(LANE) build cargo build --release --workspace --bins --tests
	@scripts/services/postgis.sh up >/dev/null || echo "skipped: tests on PostgreSQL, which cannot be had here"
	@trap 'scripts/services/postgis.sh down >/dev/null 2>&1 || true' EXIT; $(LANE) tests cargo test --release --workspace --no-fail-fast
	@echo "== acceptance tests: pytest tests -q"
	@trap 'scripts/services/postgis.sh down >/dev/null 2>&1 || true' EXIT; target/venv/bin/python -m pytest tests -q

check: ## Quick loop: format, spelling, lints, unit tests, architecture test
	@scripts/setup.sh check
	@$(LANE) format cargo fmt --all --check
	@$(LANE) spelling target/venv/bin/typos
	@$(LANE) lints cargo clippy --release --workspace --all-targets -- -D warnings
	@$(LANE) "unit tests" cargo test --release --workspace --lib --bins --quiet
	@$(LANE) "architecture test" cargo test --release --workspace --test it --quiet -- architecture

format: ## Format the code
	cargo fmt --all

bench: ## Our figures beside GDAL, exactextract, rasterstats, pgSTAC; says what is absent (BENCH_ITEMS=100000)
	@scripts/setup.sh test
	SWATH_BENCH_PYTHON="$${SWATH_BENCH_PYTHON:-$(CURDIR)/target/venv/bin/python}" bench/run.sh
	@scripts/setup.sh bench || echo "absent: stac-fastapi-pgstac and pypgstac (bench/requirements.txt); our own figures alone"
	bench/catalog.sh $(BENCH_ITEMS)

soak: ## Property tests with many cases (SOAK_CASES=20000), ingest and extraction killed often (SOAK_KILLS=100)
	@scripts/setup.sh build
	PROPTEST_CASES=$(SOAK_CASES) SWATH_TEST_KILLS=$(SOAK_KILLS) cargo test --release --workspace

test-clients: build ## Clients we did not write against our server: validators, pystac-client, rustac, EODAG, schemathesis
	@scripts/setup.sh test
	@target/venv/bin/python -m pytest tests/test_stac_api.py -q
